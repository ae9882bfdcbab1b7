"""Reader of an scFoundation folder: `models.ckpt` and the order of its genes."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from scmmgpt_tl.model.cell_part import CellPart
from scmmgpt_tl.model.checkpoint import join_attention, read_plain, rename, state_of
from scmmgpt_tl.model.encoder_model import EncoderParts
from scmmgpt_tl.model.folder import first_file, refuse_incomplete
from scmmgpt_tl.model.gene_names import table_of_symbols
from scmmgpt_tl.model.performer import RULES, PerformerSizes
from scmmgpt_tl.model.state import load_strict

from .network import CellEncoder, ScFoundationConfig, ScFoundationNetwork, ScFoundationOptions
from .tokenizer import ScFoundationTokenizer

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from .network import Part

LAYOUT: Final = (
    "scFoundation: models.ckpt, and beside it or one folder up OS_scRNA_gene_index.19264.tsv"
)
LICENCE: Final = (
    "the weights are for non-commercial research only and may not be passed on (MODEL_LICENSE of "
    "biomap-research/scFoundation); its code is Apache-2.0"
)
RESTRICTION: Final = (
    "these weights are licensed for non-commercial research only, and may not be passed on. Read "
    "MODEL_LICENSE of biomap-research/scFoundation."
)
CELLS: Final = CellPart(
    ScFoundationConfig,
    CellEncoder,
    ScFoundationTokenizer,
    take=lambda network: network.cell_encoder,
)

_WEIGHTS = ("models.ckpt", "models/models.ckpt")
_GENES = "OS_scRNA_gene_index.19264.tsv"
_GENE_PLACES = (_GENES, f"../{_GENES}")
_COLUMN = "gene_name"
_NAME = "mae_autobin"
_ENCODERS: Final[tuple[Part, ...]] = ("cell", "rde")
_AUTOENCODER: Final[Part] = "gene"
_ENCODER_RULES = (
    (r"^model\.", ""),
    (r"^token_emb\.mlp\.", "values.spread."),
    (r"^token_emb\.mlp2\.", "values.mix."),
    (r"^token_emb\.emb\.", "values.bins."),
    (r"^pos_emb\.", "positions."),
    (r"^encoder\.transformer_encoder\.", "transformer.layers."),
    (r"^encoder\.norm\.", "norm."),
    (r"\.self_attn\.in_proj_", ".qkv."),
    (r"\.self_attn\.out_proj\.", ".out."),
    (r"^(transformer\.layers\.\d+)\.linear1\.", r"\1.expand."),
    (r"^(transformer\.layers\.\d+)\.linear2\.", r"\1.contract."),
)
_DECODER_RULES = (
    (r"^model\.", ""),
    (r"^decoder_embed\.", "narrow."),
    (r"^decoder\.norm\.", "decoder_norm."),
    (r"^to_final\.", "to_value."),
    *RULES,
)
# Vectors of masked values and of padding: the first only training uses, the second is masked out.
_UNUSED = (r"(model\.)?token_emb\.emb_(mask|pad)\.", r"(.*\.)?calls_since_last_redraw$")
_OF_ENCODER = r"(model\.)?(token_emb|pos_emb|encoder)\."
_OF_DECODER = r"(model\.)?(decoder_embed|decoder|norm|to_final)\."


def signs(folder: Path) -> list[str]:
    """Name the files that speak for scFoundation."""
    return [name for name in (*_WEIGHTS, _GENES) if (folder / name).is_file()]


def read(folder: Path) -> EncoderParts:
    """Read a folder.

    Parameters
    ----------
    folder
        Folder with `models.ckpt`; the order of genes lies there or, as in the authors' repository,
        one folder up.

    Raises
    ------
    FileNotFoundError
        If one of these is missing.
    ValueError
        If one is damaged, or they do not fit together.
    """
    needed = {"the weights": _WEIGHTS, "the order of genes": _GENE_PLACES}
    refuse_incomplete(folder, "scFoundation", needed)
    symbols = _read_genes(first_file(folder, _GENE_PLACES))
    weights = first_file(folder, _WEIGHTS)
    found = read_plain(weights)
    names: list[Part] = [
        name for name in (*_ENCODERS, _AUTOENCODER) if isinstance(found, Mapping) and name in found
    ]
    embedding = [part for part in _ENCODERS if part in names]
    if not embedding:
        msg = f"{weights} has neither a part 'cell' nor 'rde', which embed cells. Get it again."
        raise ValueError(msg)
    configs = {
        name: _config(found[name], name, n_genes=len(symbols), source=str(weights))
        for name in names
    }
    network = ScFoundationNetwork(configs, ScFoundationOptions(part=embedding[0]))
    for name in names:
        source = f"Part {name!r} of {weights}"
        state = state_of(found[name].get("state_dict"), source=source)
        load_strict(network.parts[name], _renamed(state, name), source=source)
    tokenizer = ScFoundationTokenizer(len(symbols))
    return EncoderParts(
        kind="scfoundation",
        title="scFoundation",
        licence=LICENCE,
        weights=weights,
        genes=table_of_symbols(symbols),
        network=network,
        tokenizer=tokenizer,
        abilities=_abilities(names),
        facts=_facts(configs, embedding[0]),
        restriction=RESTRICTION,
    )


def _read_genes(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} is not a table ({error}). Get the file again."
        raise ValueError(msg) from error
    symbols = [row.get(_COLUMN) or "" for row in rows]
    if not symbols or not all(symbols):
        msg = f"{path} must have a column {_COLUMN!r} with a symbol in each row. Get it again."
        raise ValueError(msg)
    return symbols


def _config(part: Any, name: str, *, n_genes: int, source: str) -> ScFoundationConfig:
    """Gather what the part says of itself."""
    where = f"Part {name!r} of {source}"
    config = _entry(part, "config", where=where)
    if (model := config.get("model")) != _NAME:
        msg = f"{where} is of a model {model!r}; only {_NAME!r} is read."
        raise ValueError(msg)
    raw = _entry(_entry(config, "model_config", where=where), _NAME, where=where)
    raw = {**raw, **_entry(_entry(config, "dataset_config", where=where), "rnaseq", where=where)}
    encoder, decoder = (_entry(raw, side, where=where) for side in ("encoder", "decoder"))
    _refuse_other_networks(encoder, decoder, where=where)
    if _size(raw, "seq_len", where=where) != n_genes + 2:
        msg = (
            f"{where} has {raw['seq_len']} places; {n_genes} genes and T and S need {n_genes + 2}."
        )
        raise ValueError(msg)
    if not isinstance(alpha := raw.get("bin_alpha"), (int, float)):
        msg = f"{where} must give bin_alpha as a number, found {alpha!r}."
        raise ValueError(msg)
    return ScFoundationConfig(
        n_genes=n_genes,
        width=_size(encoder, "hidden_dim", where=where),
        n_layers=_size(encoder, "depth", where=where),
        n_heads=_size(encoder, "heads", where=where),
        n_bins=_size(raw, "bin_num", where=where),
        alpha=float(alpha),
        decoder=_decoder_sizes(decoder, part, where=where) if name == _AUTOENCODER else None,
        decoder_dropout=float(decoder.get("ff_dropout", 0.0)),
    )


def _refuse_other_networks(
    encoder: Mapping[str, Any], decoder: Mapping[str, Any], *, where: str
) -> None:
    kinds = encoder.get("module_type"), decoder.get("module_type")
    if kinds != ("transformer", "performer"):
        msg = (
            f"{where} has encoder and decoder {kinds}; only a transformer and a performer are read."
        )
        raise ValueError(msg)
    if encoder.get("norm_first"):
        msg = f"{where} says norm_first; only encoders that normalise after each part are read."
        raise ValueError(msg)


def _decoder_sizes(
    decoder: Mapping[str, Any], part: Mapping[str, Any], *, where: str
) -> PerformerSizes:
    width = _size(decoder, "hidden_dim", where=where)
    state = state_of(part.get("state_dict"), source=where)
    directions = "model.decoder.performer.net.layers.0.0.fn.fast_attention.projection_matrix"
    if directions not in state:
        msg = f"{where} lacks {directions}, the random directions of its decoder. Get it again."
        raise ValueError(msg)
    return PerformerSizes(
        width=width,
        n_layers=_size(decoder, "depth", where=where),
        n_heads=_size(decoder, "heads", where=where),
        head_width=_size(decoder, "dim_head", where=where),
        n_directions=len(state[directions]),
        inner=4 * width,
        bias=True,
    )


def _renamed(state: Mapping[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    if name != _AUTOENCODER:
        # The decoders of these parts take no part in an embedding.
        return rename(state, _ENCODER_RULES, dropped=(*_UNUSED, _OF_DECODER))
    encoder = rename(state, _ENCODER_RULES, dropped=(*_UNUSED, _OF_DECODER))
    decoder = rename(state, _DECODER_RULES, dropped=(*_UNUSED, _OF_ENCODER))
    return {f"encoder.{key}": part for key, part in encoder.items()} | join_attention(decoder)


def _entry(found: Any, name: str, *, where: str) -> Mapping[str, Any]:
    entry = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(entry, Mapping):
        msg = f"{where} must hold {name!r} as a dictionary, found {type(entry).__name__}."
        raise ValueError(msg)
    return entry


def _size(found: Mapping[str, Any], name: str, *, where: str) -> int:
    value = found.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        msg = f"{where} must give {name} as a positive whole number, found {value!r}."
        raise ValueError(msg)
    return value


def _abilities(names: Sequence[str]) -> tuple[str, ...]:
    found = ["cell embedding (states of S and T, largest and mean over genes)"]
    if "rde" in names:
        found.append("cell embedding with enhanced read depth (part='rde')")
    if _AUTOENCODER in names:
        found.append("cell embedding by the encoder of the autoencoder (part='gene')")
        found += ["gene embeddings of a cell", "expression at a target depth"]
    return tuple(found)


def _facts(configs: Mapping[Part, ScFoundationConfig], part: Part) -> dict[str, str]:
    first = next(iter(configs.values()))
    facts = {
        "parts": ", ".join(configs),
        "embeds": f"by the part {part!r}, unless told otherwise",
        "network": f"{first.n_layers} layers, width {first.width}, {first.n_heads} heads",
        "input": "log1p of counts per 10,000 of expressed genes, and log10 of two read depths",
        "vocabulary": f"{first.n_genes:,} genes",
        "value bins": f"{first.n_bins}, soft",
    }
    if (decoder := next((c.decoder for c in configs.values() if c.decoder), None)) is not None:
        facts["decoder"] = (
            f"Performer of {decoder.n_layers} layers, width {decoder.width}, {decoder.n_heads} heads"
        )
    return facts
