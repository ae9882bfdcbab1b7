"""Reader of a Geneformer folder: `config.json`, the weights and the dictionaries of genes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from scmmgpt_tl.model import rank_dictionaries
from scmmgpt_tl.model.bert import bert_state, read_sizes
from scmmgpt_tl.model.cell_part import CellPart
from scmmgpt_tl.model.checkpoint import read_state
from scmmgpt_tl.model.encoder_model import EncoderParts
from scmmgpt_tl.model.folder import first_file, refuse_incomplete
from scmmgpt_tl.model.gene_names import table_of_ids
from scmmgpt_tl.model.rank_tokenizer import RankTokenizer
from scmmgpt_tl.model.state import load_strict

from .network import GeneformerConfig, GeneformerNetwork, GeneformerOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from scmmgpt_tl.model.bert import BertSizes

LAYOUT: Final = (
    "Geneformer: config.json of a BERT, model.safetensors or pytorch_model.bin, and beside them or "
    "in ../geneformer token_dictionary* and gene_median_dictionary*"
)
LICENCE: Final = (
    "Apache-2.0, as the model card of ctheodoris/Geneformer states; the model trained on "
    "CZ CELLxGENE alone (gf-12L-40M-i2048-CZI-CellxGene) is CC BY 4.0"
)
CELLS: Final = CellPart(GeneformerConfig, GeneformerNetwork, RankTokenizer)

_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def signs(folder: Path) -> list[str]:
    """Name the files that speak for Geneformer."""
    found = []
    for name in (rank_dictionaries.TOKENS, rank_dictionaries.MEDIANS):
        # Those beside the folder say nothing of what is in it.
        found += [p.name for p in rank_dictionaries.find(folder, name) if p.parent == folder][:1]
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
    sizes = read_sizes(folder / _CONFIG, title="Geneformer")
    found = rank_dictionaries.read(folder, n_tokens=sizes.n_tokens)
    config = _config(sizes, found.tokens)
    weights = first_file(folder, _WEIGHTS)
    state = bert_state(read_state(weights))
    sizes.check_room(state, source=str(weights))
    network = GeneformerNetwork(
        config, GeneformerOptions(pooling="cls" if _is_v2(config) else "mean")
    )
    load_strict(network, state, source=str(weights))
    n_merged = sum(name != gene for name, gene in found.merged.items())
    return EncoderParts(
        kind="geneformer",
        title=f"Geneformer {'V2' if _is_v2(config) else 'V1'}",
        licence=LICENCE,
        weights=weights,
        genes=table_of_ids(found.ensembl_ids, symbols=found.symbols, merged=found.merged),
        network=network,
        tokenizer=RankTokenizer(
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


def _config(sizes: BertSizes, tokens: Mapping[str, int]) -> GeneformerConfig:
    return GeneformerConfig(
        **asdict(sizes),
        pad=tokens.get("<pad>", 0),
        cls=tokens.get("<cls>"),
        eos=tokens.get("<eos>"),
    )
