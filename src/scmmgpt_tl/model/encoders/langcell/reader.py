"""Reader of a LangCell folder: two BERTs, two projections, a head and the dictionaries of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scmmgpt_tl.model import rank_dictionaries
from scmmgpt_tl.model.bert import bert_state, read_sizes
from scmmgpt_tl.model.cell_part import CellPart
from scmmgpt_tl.model.cell_text_model import TextSide
from scmmgpt_tl.model.checkpoint import join_attention, read_state, rename
from scmmgpt_tl.model.encoder_model import EncoderParts
from scmmgpt_tl.model.folder import first_file, read_json, refuse_incomplete
from scmmgpt_tl.model.gene_names import table_of_ids
from scmmgpt_tl.model.rank_tokenizer import RankTokenizer
from scmmgpt_tl.model.reading_bert import READING_RULES
from scmmgpt_tl.model.state import load_strict
from scmmgpt_tl.model.words import Words, read_words

from .network import LangCellNetwork, RankedCells, RankedCellsConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from scmmgpt_tl.model.bert import BertSizes

LAYOUT: Final = (
    "LangCell: folders cell_bert and text_bert, cell_proj.bin, text_proj.bin and ctm_head.bin, and "
    "beside them or in ../geneformer_001/geneformer token_dictionary* and gene_median_dictionary*"
)
LICENCE: Final = (
    "MIT is the licence of LangCell's code; the folder of weights on Google Drive states none of "
    "its own"
)
CELLS: Final = CellPart(
    RankedCellsConfig, RankedCells, RankTokenizer, take=lambda network: network.cells
)

_CELLS, _TEXTS = "cell_bert", "text_bert"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_HEADS: Final = {
    "cell_projection": "cell_proj.bin",
    "text_projection": "text_proj.bin",
    "match_head": "ctm_head.bin",
}
_DROPPED = (r"pooler\.", r"embeddings\.position_ids")
# How the training texts name a cell type before its definition.
_TEMPLATE = "cell type: {name}. {description}"


def signs(folder: Path) -> list[str]:
    """Name the files that speak for LangCell."""
    found = [name for name in (_CELLS, _TEXTS) if (folder / name).is_dir()]
    return found + [name for name in _HEADS.values() if (folder / name).is_file()]


def read(folder: Path) -> EncoderParts:
    """Read a folder.

    Parameters
    ----------
    folder
        Folder with the five parts; the dictionaries of Geneformer V1 lie there, in `cell_bert`, or
        where the authors' repository has them.

    Raises
    ------
    FileNotFoundError
        If a part or a dictionary is missing.
    ValueError
        If one is damaged, or they do not fit together.
    """
    needed: dict[str, tuple[str, ...]] = {name: (name,) for name in _HEADS.values()}
    for part in (_CELLS, _TEXTS):
        needed[f"{part}/config.json"] = (f"{part}/config.json",)
        needed[f"the weights of {part}"] = tuple(f"{part}/{name}" for name in _WEIGHTS)
    refuse_incomplete(folder, "LangCell", needed)
    cells, texts = (
        read_sizes(folder / part / "config.json", title="LangCell") for part in (_CELLS, _TEXTS)
    )
    _check_width(folder, cells)
    found = rank_dictionaries.read(
        folder, n_tokens=cells.n_tokens, title="LangCell", added=("<cls>",)
    )
    files = [first_file(folder / part, _WEIGHTS) for part in (_CELLS, _TEXTS)]
    heads = {part: folder / name for part, name in _HEADS.items()}
    network = _network(files, heads, cells=cells, texts=texts, tokens=found.tokens)
    tokenizer = RankTokenizer(
        found.token_ids, found.medians, found.tokens["<cls>"], None, max_length=cells.n_positions
    )
    words = read_words([folder / _TEXTS, folder], n_tokens=texts.n_tokens)
    return EncoderParts(
        kind="langcell",
        title="LangCell",
        licence=LICENCE,
        weights=files[0],
        more_weights=(files[1], *heads.values()),
        genes=table_of_ids(found.ensembl_ids, symbols=found.symbols, merged=found.merged),
        network=network,
        tokenizer=tokenizer,
        abilities=(
            "cell embedding (space shared with texts, or <cls>)",
            "text embedding",
            "zero-shot labels",
        ),
        facts={
            "network": f"{cells.n_layers} layers, width {cells.width}, {cells.n_heads} heads",
            "text network": f"{texts.n_layers} layers, width {texts.width}, {texts.n_heads} heads",
            "input": f"genes in order of relative expression, at most {cells.n_positions:,} tokens",
            "vocabulary": f"{cells.n_tokens:,} tokens of genes, {texts.n_tokens:,} of words",
        },
        text=TextSide(Words(words, folder / _TEXTS, limit=texts.n_positions), _TEMPLATE),
    )


def _check_width(folder: Path, cells: BertSizes) -> None:
    path = folder / _TEXTS / "config.json"
    if (width := read_json(path).get("encoder_width", cells.width)) != cells.width:
        msg = f"{path} reads cells of width {width}; those of {_CELLS} have {cells.width}."
        raise ValueError(msg)


def _network(
    files: list[Path],
    heads: Mapping[str, Path],
    *,
    cells: BertSizes,
    texts: BertSizes,
    tokens: Mapping[str, int],
) -> LangCellNetwork:
    states = {part: read_state(path) for part, path in heads.items()}
    projection = _rows(states["cell_projection"], heads["cell_projection"])
    cell_state = bert_state(read_state(files[0]))
    text_state = join_attention(rename(read_state(files[1]), READING_RULES, dropped=_DROPPED))
    cells.check_room(cell_state, source=str(files[0]))
    texts.check_room(text_state, source=str(files[1]))
    network = LangCellNetwork(cells, texts, projection=projection, pad=tokens.get("<pad>", 0))
    load_strict(network.cells, cell_state, source=str(files[0]))
    load_strict(network.texts, text_state, source=str(files[1]))
    for part, state in states.items():
        load_strict(getattr(network, part), state, source=str(heads[part]))
    return network


def _rows(state: Mapping[str, torch.Tensor], path: Path) -> int:
    if "weight" not in state:
        msg = f"{path} has no `weight`; it must be the state dict of one linear map."
        raise ValueError(msg)
    return len(state["weight"])
