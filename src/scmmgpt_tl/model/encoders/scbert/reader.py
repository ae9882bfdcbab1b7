"""Reader of a scBERT folder: a checkpoint, and the names of its genes in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import h5py

from scmmgpt_tl.model.cell_part import CellPart
from scmmgpt_tl.model.checkpoint import join_attention, read_state, rename
from scmmgpt_tl.model.encoder_model import EncoderParts
from scmmgpt_tl.model.folder import first_file, refuse_incomplete
from scmmgpt_tl.model.gene_names import table_of_symbols
from scmmgpt_tl.model.performer import RULES, PerformerSizes, sizes_of
from scmmgpt_tl.model.state import load_strict

from .network import ScBERTConfig, ScBERTNetwork, ScBERTOptions
from .tokenizer import ScBERTTokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

LAYOUT: Final = (
    "scBERT: panglao_pretrained.pth or finetuned.pth, and panglao_10000.h5ad or genes.txt with the "
    "names of its genes, one a line"
)
LICENCE: Final = (
    "GPL-3.0, as TencentAILabHealthcare/scBERT states, which publishes the weights on request; this "
    "package holds none of its code"
)
CELLS: Final = CellPart(
    ScBERTConfig,
    ScBERTNetwork,
    ScBERTTokenizer,
    nested={"performer": PerformerSizes},
    terms="these weights are under the GPL-3.0, and so is what holds them where it is passed on.",
)

_WEIGHTS = ("panglao_pretrained.pth", "finetuned.pth", "finetune_best.pth")
_LIST, _CELLS = "genes.txt", "panglao_10000.h5ad"
_VECTORS = "gene2vec_16906.npy"
_RULES = (
    (r"^token_emb\.", "bins."),
    (r"^pos_emb\.emb\.", "genes."),
    (r"^to_out\.conv1\.", "classifier.squeeze."),
    (r"^to_out\.fc", "classifier.fc"),
    (r"^to_out\.", "reconstruct."),
    *RULES,
)
# When directions were drawn last, which only training asks.
_DROPPED = (r"performer\.(proj_updater\.)?calls_since_last_redraw$",)
_SQUEEZE = "classifier.squeeze.weight"


def signs(folder: Path) -> list[str]:
    """Name the files that speak for scBERT."""
    return [name for name in (*_WEIGHTS, _CELLS, _VECTORS) if (folder / name).is_file()]


def read(folder: Path) -> EncoderParts:
    """Read a folder.

    Parameters
    ----------
    folder
        Folder with one checkpoint, and the names of the genes in the order of gene2vec.

    Raises
    ------
    FileNotFoundError
        If one of these is missing.
    ValueError
        If one is damaged, there are two checkpoints, or they do not fit together.
    """
    needed = {"the weights": _WEIGHTS, "the names of its genes": (_LIST, _CELLS)}
    refuse_incomplete(folder, "scBERT", needed)
    there = [name for name in _WEIGHTS if (folder / name).is_file()]
    if len(there) > 1:
        msg = f"{folder} holds {' and '.join(there)}. Give each a folder of its own."
        raise ValueError(msg)
    weights = folder / there[0]
    symbols = _read_genes(first_file(folder, (_LIST, _CELLS)))
    state = _renamed(read_state(weights))
    config = _config(state, n_genes=len(symbols), source=str(weights))
    network = ScBERTNetwork(config, ScBERTOptions())
    placed = {
        f"performer.{key}" if key.startswith("layers.") else key: part
        for key, part in state.items()
    }
    load_strict(network, placed, source=str(weights))
    # The last of the bins is none of counts, but that of masked genes.
    tokenizer = ScBERTTokenizer(len(symbols), highest=config.n_bins - 2)
    return EncoderParts(
        kind="scbert",
        title="scBERT",
        licence=LICENCE,
        weights=weights,
        genes=table_of_symbols(symbols),
        network=network,
        tokenizer=tokenizer,
        abilities=_abilities(config),
        facts=_facts(config, tokenizer),
    )


def _read_genes(path: Path) -> list[str]:
    if path.name == _LIST:
        try:
            symbols = path.read_text(encoding="utf-8").split("\n")
        except UnicodeDecodeError as error:
            msg = f"{path} is not text ({error}). Write a symbol a line."
            raise ValueError(msg) from error
        symbols = [symbol.strip() for symbol in symbols]
        symbols = symbols[:-1] if not symbols[-1] else symbols
    else:
        symbols = _read_index(path)
    if not symbols or not all(symbols):
        msg = f"{path} must hold a symbol for each gene, and has one that is empty."
        raise ValueError(msg)
    return symbols


def _read_index(path: Path) -> list[str]:
    try:
        with h5py.File(path) as file:
            genes = file["var"]
            return [str(name) for name in genes[genes.attrs["_index"]].asstr()]
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        msg = (
            f"{path} has no names of genes that can be read ({error}). Write them into {_LIST} "
            "beside it, one a line and in their order."
        )
        raise ValueError(msg) from error


def _renamed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found = join_attention(rename(state, _RULES, dropped=_DROPPED))
    if (kernel := found.get(_SQUEEZE)) is not None and kernel.ndim == 4:
        # A convolution over whole states is a linear map of each.
        found[_SQUEEZE] = kernel.flatten(0, 2)
    return found


def _config(state: Mapping[str, torch.Tensor], *, n_genes: int, source: str) -> ScBERTConfig:
    names = {"bins.weight": "token_emb.weight", "genes.weight": "pos_emb.emb.weight"}
    if absent := [theirs for ours, theirs in names.items() if ours not in state]:
        msg = f"{source} lacks {' and '.join(absent)}; only scBERT with gene2vec is read."
        raise ValueError(msg)
    bins, genes = (state[name] for name in names)
    if len(genes) != n_genes + 1:
        msg = f"{source} has {len(genes)} places; {n_genes} genes and one more need {n_genes + 1}."
        raise ValueError(msg)
    layers = {name: state.get(f"classifier.{name}.weight") for name in ("fc1", "fc2", "fc3")}
    widths = [len(layer) for layer in layers.values() if layer is not None]
    if len(widths) in {1, 2}:
        absent = [f"to_out.{name}.weight" for name, layer in layers.items() if layer is None]
        msg = f"{source} lacks {' and '.join(absent)} of its classifier. Get it again."
        raise ValueError(msg)
    return ScBERTConfig(
        n_bins=len(bins),
        n_places=len(genes),
        performer=sizes_of(state, source=source),
        classifier=(widths[0], widths[1], widths[2]) if widths else None,
    )


def _abilities(config: ScBERTConfig) -> tuple[str, ...]:
    found = ["cell embedding (mean of all states, or the last; the authors publish none)"]
    if config.classifier is None:
        return (*found, "bins of masked genes")
    return (*found, f"classes of cells ({config.classifier[-1]}), or Unassigned")


def _facts(config: ScBERTConfig, tokenizer: ScBERTTokenizer) -> dict[str, str]:
    sizes = config.performer
    return {
        "network": f"Performer of {sizes.n_layers} layers, width {sizes.width}, {sizes.n_heads} "
        f"heads, {sizes.n_directions} random directions",
        "input": f"all genes in bins 0 to {tokenizer.highest} of log2 counts per 10,000",
        "vocabulary": f"{tokenizer.n_genes:,} genes, {config.n_bins} bins",
    }
