"""Reader of a Geneformer folder: `config.json`, the weights and the dictionaries of genes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import torch

from scmmgpt_tl.model.checkpoint import read_state, rename
from scmmgpt_tl.model.encoder_model import EncoderParts
from scmmgpt_tl.model.folder import first_file, read_json, refuse_incomplete
from scmmgpt_tl.model.gene_names import table_of_ids
from scmmgpt_tl.model.state import load_strict

from . import dictionaries
from .network import GeneformerConfig, GeneformerNetwork, GeneformerOptions
from .tokenizer import GeneformerTokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LAYOUT: Final = (
    "Geneformer: config.json of a BERT, model.safetensors or pytorch_model.bin, and beside them or "
    "in ../geneformer token_dictionary* and gene_median_dictionary*"
)
LICENCE: Final = (
    "Apache-2.0, as the model card of ctheodoris/Geneformer states; the model trained on "
    "CZ CELLxGENE alone (gf-12L-40M-i2048-CZI-CellxGene) is CC BY 4.0"
)

_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SIZES = (
    "vocab_size",
    "max_position_embeddings",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
)
_RULES = (
    (r"^bert\.", ""),
    (r"^embeddings\.word_embeddings\.", "genes."),
    (r"^embeddings\.position_embeddings\.", "ranks."),
    (r"^embeddings\.token_type_embeddings\.", "kinds."),
    (r"^embeddings\.LayerNorm\.", "norm."),
    (r"^encoder\.layer\.", "transformer.layers."),
    (r"\.attention\.self\.", "."),
    (r"\.attention\.output\.dense\.", ".out."),
    (r"\.attention\.output\.LayerNorm\.", ".norm1."),
    (r"\.intermediate\.dense\.", ".expand."),
    (r"\.output\.dense\.", ".contract."),
    (r"\.output\.LayerNorm\.", ".norm2."),
)
# Heads of pre-training and of fine-tuned classifiers; ids that are counted anyway.
_DROPPED = (
    r"(bert\.)?pooler\.",
    r"(bert\.)?embeddings\.position_ids",
    r"cls\.",
    r"classifier\.",
)
_PART = re.compile(r"(.+)\.(query|key|value)\.(weight|bias)")


def signs(folder: Path) -> list[str]:
    """Name the files that speak for Geneformer."""
    found = []
    for name in (dictionaries.TOKENS, dictionaries.MEDIANS):
        # Those beside the folder say nothing of what is in it.
        found += [p.name for p in dictionaries.find(folder, name) if p.parent == folder][:1]
    # A BERT of words has the same config, and a tokenizer beside it.
    of_words = any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt"))
    if (folder / _CONFIG).is_file() and not of_words:
        content = (folder / _CONFIG).read_bytes()[:4096]
        found += [_CONFIG] * (b"BertFor" in content and b'"relu"' in content)
    return found


def read(folder: Path) -> EncoderParts:
    """Read a folder.

    Parameters
    ----------
    folder
        Folder with `config.json` and the weights; the dictionaries lie there, too, or where the
        authors' repository has them.

    Raises
    ------
    FileNotFoundError
        If one of these is missing.
    ValueError
        If one is damaged, or they do not fit together.
    """
    needed = {_CONFIG: (_CONFIG,), "the weights": _WEIGHTS}
    refuse_incomplete(folder, "Geneformer", needed)
    raw = _read_config(folder / _CONFIG)
    found = dictionaries.read(folder, n_tokens=raw["vocab_size"])
    config = _config(raw, found.tokens)
    weights = first_file(folder, _WEIGHTS)
    network = GeneformerNetwork(
        config, GeneformerOptions(pooling="cls" if _is_v2(config) else "mean")
    )
    state = _joined(rename(read_state(weights), _RULES, dropped=_DROPPED))
    load_strict(network, state, source=str(weights))
    n_merged = sum(name != gene for name, gene in found.merged.items())
    return EncoderParts(
        kind="geneformer",
        title=f"Geneformer {'V2' if _is_v2(config) else 'V1'}",
        licence=LICENCE,
        weights=weights,
        genes=table_of_ids(found.ensembl_ids, symbols=found.symbols, merged=found.merged),
        network=network,
        tokenizer=GeneformerTokenizer(
            found.token_ids, found.medians, config.cls, config.eos, max_length=config.n_positions
        ),
        abilities=(
            "cell embedding (mean over genes" + (", or <cls>)" if _is_v2(config) else ")"),
            "gene states",
            "in-silico deletion and over-expression of genes",
        ),
        facts={
            "network": f"{config.n_layers} layers, width {config.width}, {config.n_heads} heads",
            "input": f"genes in order of relative expression, at most {config.n_positions:,} tokens",
            "vocabulary": f"{config.n_tokens:,} tokens",
            "merged ids": f"{n_merged:,} Ensembl ids count as another",
        },
    )


def _is_v2(config: GeneformerConfig) -> bool:
    return config.cls is not None


def _read_config(path: Path) -> dict[str, Any]:
    raw = read_json(path)
    if (kind := raw.get("model_type", "bert")) != "bert":
        msg = f"{path} is of a {kind!r}; Geneformer is a 'bert'."
        raise ValueError(msg)
    wrong = [name for name in _SIZES if not isinstance(raw.get(name), int) or raw[name] < 1]
    if wrong:
        msg = f"{path} must give {', '.join(wrong)} as positive whole numbers."
        raise ValueError(msg)
    if (activation := raw.get("hidden_act")) not in {"relu", "gelu"}:
        msg = f"{path} says hidden_act {activation!r}; 'relu' and 'gelu' are known."
        raise ValueError(msg)
    if (positions := raw.get("position_embedding_type", "absolute")) != "absolute":
        msg = f"{path} says position_embedding_type {positions!r}; Geneformer's are 'absolute'."
        raise ValueError(msg)
    return raw


def _config(raw: Mapping[str, Any], tokens: Mapping[str, int]) -> GeneformerConfig:
    return GeneformerConfig(
        n_tokens=raw["vocab_size"],
        n_positions=raw["max_position_embeddings"],
        width=raw["hidden_size"],
        n_layers=raw["num_hidden_layers"],
        n_heads=raw["num_attention_heads"],
        inner=raw["intermediate_size"],
        activation=raw["hidden_act"],
        eps=float(raw.get("layer_norm_eps", 1e-12)),
        dropout=float(raw.get("hidden_dropout_prob", 0.0)),
        pad=tokens.get("<pad>", 0),
        cls=tokens.get("<cls>"),
        eos=tokens.get("<eos>"),
    )


def _joined(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Join queries, keys and values, which the network computes in one product."""
    joined = {key: part for key, part in state.items() if not _PART.fullmatch(key)}
    for key in state:
        if not (found := _PART.fullmatch(key)):
            continue
        layer, _, kind = found.groups()
        names = [f"{layer}.{part}.{kind}" for part in ("query", "key", "value")]
        if absent := [name for name in names if name not in state]:
            msg = f"The checkpoint has {key}, but lacks {', '.join(absent)}."
            raise ValueError(msg)
        joined[f"{layer}.qkv.{kind}"] = torch.cat([state[name] for name in names])
    return joined
