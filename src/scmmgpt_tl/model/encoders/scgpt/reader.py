"""Reader of a scGPT folder: `args.json`, `vocab.json` and the weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from scmmgpt_tl.model.cell_part import CellPart
from scmmgpt_tl.model.checkpoint import read_state, refuse_larger, rename
from scmmgpt_tl.model.encoder_model import EncoderParts
from scmmgpt_tl.model.folder import first_file, read_json, refuse_incomplete
from scmmgpt_tl.model.gene_names import table_of_symbols
from scmmgpt_tl.model.state import load_strict

from .network import ScGPTConfig, ScGPTNetwork
from .tokenizer import ScGPTTokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

LAYOUT: Final = "scGPT: args.json, vocab.json, best_model.pt or model.safetensors"
LICENCE: Final = (
    "MIT is the licence of scGPT's code and of its mirrors on the Hugging Face hub; the folders on "
    "Google Drive state none of their own"
)
CELLS: Final = CellPart(ScGPTConfig, ScGPTNetwork, ScGPTTokenizer)

_ARGS, _VOCAB = "args.json", "vocab.json"
_WEIGHTS = (
    "best_model.safetensors",
    "model.safetensors",
    "best_model.pt",
    "model.pt",
    "pytorch_model.bin",
)
_SIZES = ("embsize", "nheads", "d_hid", "nlayers")
_CLS, _SPECIAL = "<cls>", re.compile(r"<.+>")
_RULES = (
    (r"^encoder\.embedding\.", "gene_embedding."),
    (r"^encoder\.enc_norm\.", "gene_norm."),
    (r"^transformer_encoder\.", "transformer."),
    # Written with flash attention, with its wrapper of later versions, and without.
    (r"\.self_attn\.(?:_impl\.)?Wqkv\.", ".qkv."),
    (r"\.self_attn\.in_proj_", ".qkv."),
    (r"\.self_attn\.(?:_impl\.)?out_proj\.", ".out."),
    (r"^(transformer\.layers\.\d+)\.linear1\.", r"\1.expand."),
    (r"^(transformer\.layers\.\d+)\.linear2\.", r"\1.contract."),
    (r"^decoder\.", "masked_decoder."),
    (r"^bn\.", "batch_norm."),
    (r"^dsbn\.bns\.", "batch_norm."),
)
# Heads of other tasks, and what only training uses.
_DROPPED = (
    r"cls_decoder\.",
    r"flag_encoder\.",
    r"grad_reverse_discriminator\.",
    r"sim\.",
    r"creterion_cce\.",
)


def signs(folder: Path) -> list[str]:
    """Name the files that speak for scGPT."""
    found = [name for name in (_ARGS, "best_model.pt") if (folder / name).is_file()]
    if (folder / _VOCAB).is_file() and f'"{_CLS}"'.encode() in (folder / _VOCAB).read_bytes():
        found.append(_VOCAB)
    return found


def read(folder: Path) -> EncoderParts:
    """Read a folder.

    Parameters
    ----------
    folder
        Folder with `args.json`, `vocab.json` and the weights.

    Raises
    ------
    FileNotFoundError
        If one of these is missing.
    ValueError
        If one is damaged, or they do not fit together.
    """
    refuse_incomplete(
        folder, "scGPT", {_ARGS: (_ARGS,), _VOCAB: (_VOCAB,), "the weights": _WEIGHTS}
    )
    args, vocabulary = _read_args(folder / _ARGS), read_vocabulary(folder / _VOCAB)
    weights = first_file(folder, _WEIGHTS)
    network = build_network(args, vocabulary, read_state(weights), source=str(weights))
    config, symbols = network.config, symbols_of(vocabulary)
    tokenizer = ScGPTTokenizer(
        token_ids=np.array([vocabulary[name] for name in symbols], dtype=np.int64),
        cls=vocabulary[_CLS],
        cls_value=config.pad_value,
        n_bins=args.get("n_bins", 51),
        max_length=args.get("max_seq_len", 1200),
    )
    return EncoderParts(
        kind="scgpt",
        title="scGPT",
        licence=LICENCE,
        weights=weights,
        genes=table_of_symbols(symbols),
        network=network,
        tokenizer=tokenizer,
        abilities=_abilities(config),
        facts=_facts(config, tokenizer),
    )


def build_network(
    args: Mapping[str, Any],
    vocabulary: Mapping[str, int],
    state: Mapping[str, torch.Tensor],
    *,
    source: str,
) -> ScGPTNetwork:
    """Build the network that a published state dict is of, and fill it.

    Parameters
    ----------
    args
        What `args.json` says.
    vocabulary
        What `vocab.json` says.
    state
        Tensors by their published names.
    source
        Where they come from, for the messages.

    Raises
    ------
    ValueError
        If they do not fit together.
    """
    if not _has_product_decoder(state):
        state = {key: part for key, part in state.items() if not key.startswith("mvc_decoder.")}
    config = _config(args, vocabulary, state, source=source)
    layer = config.width * (4 * config.width + 2 * config.inner)
    n_weights = config.n_tokens * config.width + config.n_layers * layer
    refuse_larger(state, n_layers=config.n_layers, n_weights=n_weights, source=source)
    network = ScGPTNetwork(config)
    load_strict(network, rename(state, _RULES, dropped=_DROPPED), source=source)
    return network


def symbols_of(vocabulary: Mapping[str, int]) -> list[str]:
    """Return the tokens that are genes."""
    return [name for name in vocabulary if not _SPECIAL.fullmatch(name)]


def _read_args(path: Path) -> dict[str, Any]:
    args = read_json(path)
    absent = [name for name in _SIZES if not _is_size(args.get(name))]
    if absent:
        msg = f"{path} must give {', '.join(absent)} as positive whole numbers."
        raise ValueError(msg)
    if (style := args.get("input_style", "binned")) != "binned":
        msg = f"{path} says input_style {style!r}; only models of 'binned' values are read."
        raise ValueError(msg)
    if args.get("pre_norm"):
        msg = f"{path} says pre_norm; only models that normalise after each part are read."
        raise ValueError(msg)
    for name in ("n_bins", "max_seq_len"):
        if name in args and not _is_size(args[name]):
            msg = f"{path} must give {name} as a positive whole number, found {args[name]!r}."
            raise ValueError(msg)
    return args


def read_vocabulary(path: Path) -> dict[str, int]:
    """Read `vocab.json`.

    Raises
    ------
    ValueError
        If the file is damaged, its numbers have gaps, or it lacks the cell's own token.
    """
    vocabulary = read_json(path)
    ids = list(vocabulary.values())
    if not all(isinstance(i, int) for i in ids) or sorted(ids) != list(range(len(ids))):
        msg = f"{path} must number its {len(ids)} tokens from 0 without gap or repeat."
        raise ValueError(msg)
    if _CLS not in vocabulary:
        msg = f"{path} has no token {_CLS!r}, whose state is the cell embedding. Get it again."
        raise ValueError(msg)
    return vocabulary


def _config(
    args: Mapping[str, Any],
    vocabulary: Mapping[str, int],
    state: Mapping[str, torch.Tensor],
    *,
    source: str,
) -> ScGPTConfig:
    """Put together what `args.json` says and what only the tensors tell."""
    table = state.get("encoder.embedding.weight")
    if table is None or len(table) != len(vocabulary):
        found = (
            "no gene table (encoder.embedding.weight)" if table is None else f"{len(table)} rows"
        )
        msg = f"{source} holds {found} where vocab.json has {len(vocabulary)} tokens."
        raise ValueError(msg)
    pad = args.get("pad_token", "<pad>")
    if pad not in vocabulary:
        msg = f"vocab.json beside {source} has no padding token {pad!r}."
        raise ValueError(msg)
    style, n_values = _value_style(state)
    if (told := args.get("input_emb_style", style)) != style:
        msg = f"args.json beside {source} says input_emb_style {told!r}; the weights are {style!r}."
        raise ValueError(msg)
    domains = {key.split(".")[2] for key in state if key.startswith("dsbn.bns.")}
    batches = state.get("batch_encoder.embedding.weight")
    return ScGPTConfig(
        n_tokens=len(vocabulary),
        width=args["embsize"],
        n_layers=args["nlayers"],
        n_heads=args["nheads"],
        inner=args["d_hid"],
        dropout=float(args.get("dropout", 0.2)),
        style=style,
        n_value_tokens=n_values,
        pad=vocabulary[pad],
        pad_value=float(args.get("pad_value", -2)),
        masked_decoder=any(key.startswith("decoder.") for key in state),
        mvc_decoder=_has_product_decoder(state),
        zero_probability=any(key.startswith("decoder.zero_logit.") for key in state),
        n_batches=len(domains) if batches is None else len(batches),
        batch_labels=batches is not None,
        batch_norm="domain" if domains else "shared" if "bn.running_mean" in state else "none",
    )


def _value_style(state: Mapping[str, torch.Tensor]) -> tuple[Any, int]:
    if (table := state.get("value_encoder.embedding.weight")) is not None:
        return "category", len(table)
    named = any(key.startswith("value_encoder.") for key in state)
    return ("continuous" if named else "scaling"), 0


def _has_product_decoder(state: Mapping[str, torch.Tensor]) -> bool:
    # Two other styles of the MVC decoder were tried in the code; no published folder has them.
    return "mvc_decoder.W.weight" in state


def _abilities(config: ScGPTConfig) -> tuple[str, ...]:
    found = ["cell embedding (state of <cls>, unit length)", "gene embeddings"]
    if config.masked_decoder:
        found.append("masked expression decoder")
    if config.mvc_decoder:
        found.append("expression from the cell embedding (MVC)")
    if config.batch_norm == "domain":
        found[0] = "cell embedding only where each cell's training batch is named"
    return tuple(found)


def _facts(config: ScGPTConfig, tokenizer: ScGPTTokenizer) -> dict[str, str]:
    facts = {
        "network": f"{config.n_layers} layers, width {config.width}, {config.n_heads} heads",
        "input": f"counts in {tokenizer.n_bins} bins a cell ({config.style}), at most "
        f"{tokenizer.max_length - 1:,} genes",
        "vocabulary": f"{config.n_tokens:,} tokens",
    }
    if config.n_batches:
        what = {"domain": "normalised each by itself"}.get(
            config.batch_norm, "told to the decoders"
        )
        facts["batches"] = f"{config.n_batches} of training, {what}"
    return facts


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
