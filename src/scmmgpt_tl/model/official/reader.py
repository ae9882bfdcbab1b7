"""Reader of the checkpoints that the authors' code of scMMGPT writes, of both of its stages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from zipfile import ZipFile

import numpy as np

from scmmgpt_tl.model.bert import BertSizes
from scmmgpt_tl.model.cell_text_model import TextSide
from scmmgpt_tl.model.checkpoint import DAMAGED_ZIP, join_attention, read_state, rename
from scmmgpt_tl.model.encoder_model import EncoderParts
from scmmgpt_tl.model.encoders.scgpt.reader import build_network, read_vocabulary, symbols_of
from scmmgpt_tl.model.encoders.scgpt.tokenizer import ScGPTTokenizer
from scmmgpt_tl.model.folder import read_json, refuse_incomplete
from scmmgpt_tl.model.gene_names import table_of_symbols
from scmmgpt_tl.model.reading_bert import READING_RULES
from scmmgpt_tl.model.state import load_strict
from scmmgpt_tl.model.words import Words, read_words

from .network import BridgeSizes, OfficialNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

LAYOUT: Final = (
    "scMMGPT of its authors: a Lightning checkpoint *.ckpt of stage 1 or 2, and vocab.json of scGPT"
)
LICENCE: Final = (
    "none: the authors' repository states no licence and no weights were published; ask whoever "
    "trained these"
)

_VOCAB, _ARGS = "vocab.json", "args.json"
_STAGES: Final = {1: "blip2qformer.", 2: "blip2lm."}
_MAX_PICKLE = 2**27
# What scGPT's whole-human model has; no tensor tells it.
_SCGPT_HEADS = 8
# Every BERT of the size that the Q-Former began from has heads of this width.
_HEAD_WIDTH = 64
_MAX_TOKENS, _MAX_WORDS = 2048, 128
_PARTS: Final = (
    "cell_encoder.model.",
    "ln_gene.",
    "Qformer.",
    "query_tokens",
    "cell_proj.",
    "text_proj.",
    "gtm_head.",
    "llm_proj.",
)
_RULES = (
    (r"^ln_gene\.", "cell_norm."),
    (r"^query_tokens$", "queries"),
    (r"^cell_proj\.", "cell_projection."),
    (r"^text_proj\.", "text_projection."),
    (r"^gtm_head\.", "match_head."),
    (r"^llm_proj\.fc1\.", "llm_projection.0."),
    (r"^llm_proj\.fc2\.", "llm_projection.2."),
)
# Stage 2 leaves out the half of each layer that words take: the queries' one is then the only one.
_ONLY_QUERIES = (
    (r"\.queries\.expand\.", ".expand."),
    (r"\.queries\.contract\.", ".contract."),
    (r"\.queries\.norm\.", ".norm2."),
)
_DROPPED = (r"cls\.", r"(bert\.)?embeddings\.position_ids")
# How the authors write a label in zero-shot evaluation; in training it was another sentence.
_TEMPLATE = "This cell belongs to {name}: {description}"


def signs(folder: Path) -> list[str]:
    """Name the files that speak for a checkpoint of the authors' code; it may stand for its folder."""
    if folder.is_file():
        return [folder.name] if _stage(folder) else []
    found = [path.name for path in sorted(folder.glob("*.ckpt")) if _stage(path)]
    # A folder of scGPT that such a checkpoint was put into is meant for it.
    beside = (_VOCAB, _ARGS, "best_model.pt")
    return found + [name for name in beside if found and (folder / name).is_file()]


def read(folder: Path) -> EncoderParts:
    """Read a folder, or a checkpoint with what lies beside it.

    Parameters
    ----------
    folder
        Folder with one checkpoint and `vocab.json` of scGPT; with `args.json`, where scGPT is not
        the whole-human one; and with `vocab.txt` of BiomedBERT, to read texts. Or the checkpoint,
        which may then be one of several there.

    Raises
    ------
    FileNotFoundError
        If the vocabulary is missing.
    ValueError
        If there are two checkpoints, one is damaged, or they do not fit together.
    """
    path, stage = _only_checkpoint(folder)
    folder = path.parent
    refuse_incomplete(folder, "scMMGPT of its authors", {_VOCAB: (_VOCAB,)})
    root = _STAGES[stage]
    wanted = tuple(root + part for part in _PARTS)
    state = rename(read_state(path, beginning=wanted), [("^" + re.escape(root), "")])
    sizes = _sizes(state, path, stage=stage)
    vocabulary = read_vocabulary(folder / _VOCAB)
    scgpt = _below(state, "cell_encoder.model.")
    args = read_json(folder / _ARGS) if (folder / _ARGS).is_file() else {}
    encoder = build_network(_args(args, scgpt), vocabulary, scgpt, source=str(path))
    network = OfficialNetwork(encoder, sizes)
    _load(network, state, stage=stage, source=str(path))
    symbols = symbols_of(vocabulary)
    tokenizer = ScGPTTokenizer(
        token_ids=np.array([vocabulary[name] for name in symbols], dtype=np.int64),
        cls=vocabulary["<cls>"],
        cls_value=-2.0,
        max_length=_MAX_TOKENS,
        values="counts",
        longer="top",
    )
    words = read_words([folder], n_tokens=sizes.bert.n_tokens) if stage == 1 else None
    limit = min(_MAX_WORDS, sizes.bert.n_positions)
    return EncoderParts(
        kind="scmmgpt",
        title=f"scMMGPT of its authors, stage {stage}",
        licence=LICENCE,
        weights=path,
        genes=table_of_symbols(symbols),
        network=network,
        tokenizer=tokenizer,
        abilities=_abilities(stage),
        facts=_facts(network, sizes),
        text=TextSide(Words(words, folder, limit=limit, framed=False), _TEMPLATE, softmax=True)
        if stage == 1
        else None,
    )


def _stage(path: Path) -> int | None:
    """Tell from the names of its tensors what wrote a checkpoint; nothing in it is run."""
    try:
        with ZipFile(path) as archive:
            pickles = [part for part in archive.infolist() if part.filename.endswith("/data.pkl")]
            if not pickles or pickles[0].file_size > _MAX_PICKLE:
                return None
            content = archive.read(pickles[0])
    except DAMAGED_ZIP:
        return None
    return next((n for n, root in _STAGES.items() if root.encode() in content), None)


def _only_checkpoint(folder: Path) -> tuple[Path, int]:
    paths = [folder] if folder.is_file() else sorted(folder.glob("*.ckpt"))
    found = [(path, n) for path in paths if (n := _stage(path))]
    if len(found) != 1:
        names = ", ".join(path.name for path, _ in found)
        msg = f"{folder} must hold one checkpoint of scMMGPT, found {names}. Keep each in its own."
        raise ValueError(msg)
    return found[0]


def _sizes(state: Mapping[str, torch.Tensor], path: Path, *, stage: int) -> BridgeSizes:
    """Tell from the tensors what no file says."""
    shape = _Shapes(state, path)
    layer = "Qformer.bert.encoder.layer."
    numbers = {int(key.removeprefix(layer).split(".")[0]) for key in state if key.startswith(layer)}
    reading = sorted({
        int(key.removeprefix(layer).split(".")[0]) for key in state if ".crossattention." in key
    })  # fmt: skip
    queries = shape["query_tokens"]
    if not reading or len(queries) != 3:
        msg = f"{path} has no Q-Former that reads cells: no layer of it has cross-attention."
        raise ValueError(msg)
    words = "Qformer.bert.embeddings.word_embeddings.weight"
    places = "Qformer.bert.embeddings.position_embeddings.weight"
    bert = BertSizes(
        n_tokens=shape[words][0] if stage == 1 else 0,
        n_positions=shape[places][0] if stage == 1 else 0,
        width=queries[2],
        n_layers=len(numbers),
        n_heads=max(queries[2] // _HEAD_WIDTH, 1),
        inner=shape[f"{layer}0.intermediate_query.dense.weight"][0],
        activation="gelu",
        eps=1e-12,
        dropout=0.0,
    )
    return BridgeSizes(
        bert=bert,
        every=reading[1] - reading[0] if len(reading) > 1 else len(numbers),
        n_queries=queries[1],
        projection=shape["cell_proj.weight"][0] if stage == 1 else 0,
        llm_inner=shape["llm_proj.fc1.weight"][0] if stage == 2 else 0,
        llm_width=shape["llm_proj.fc2.weight"][0] if stage == 2 else 0,
    )


class _Shapes:
    def __init__(self, state: Mapping[str, torch.Tensor], path: Path) -> None:
        self._state, self._path = state, path

    def __getitem__(self, key: str) -> tuple[int, ...]:
        if key not in self._state:
            msg = f"{self._path} lacks {key}, which every checkpoint of this stage has."
            raise ValueError(msg)
        return tuple(self._state[key].shape)


def _args(told: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Say of scGPT what its tensors tell, and of the rest what `args.json` does."""
    table = state.get("encoder.embedding.weight")
    inner = state.get("transformer_encoder.layers.0.linear1.weight")
    layers = {key.split(".")[2] for key in state if key.startswith("transformer_encoder.layers.")}
    n_heads = told.get("nheads", _SCGPT_HEADS)
    if not isinstance(n_heads, int) or n_heads < 1:
        msg = f"{_ARGS} must give nheads as a positive whole number, found {n_heads!r}."
        raise ValueError(msg)
    return {
        "nheads": n_heads,
        "pad_token": told.get("pad_token", "<pad>"),
        "embsize": 0 if table is None else table.shape[1],
        "d_hid": 0 if inner is None else len(inner),
        "nlayers": len(layers),
    }


def _load(
    network: OfficialNetwork, state: Mapping[str, torch.Tensor], *, stage: int, source: str
) -> None:
    rules = (*READING_RULES, *(_ONLY_QUERIES if stage == 2 else ()))
    qformer = rename(_below(state, "Qformer."), rules, dropped=_DROPPED)
    heads = {
        key: part
        for key, part in state.items()
        if not key.startswith(("Qformer.", "cell_encoder."))
    }
    whole = {f"qformer.{key}": part for key, part in join_attention(qformer).items()}
    # That of the cells is loaded already.
    whole |= {f"cell_encoder.{k}": v for k, v in network.cell_encoder.state_dict().items()}
    load_strict(network, whole | rename(heads, _RULES), source=source)


def _below(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): part for key, part in state.items() if key.startswith(prefix)}


def _abilities(stage: int) -> tuple[str, ...]:
    if stage == 1:
        return (
            "cell embedding (space shared with texts, queries, or <cls>)",
            "text embedding",
            "zero-shot labels",
        )
    return ("cell embedding (queries, or <cls>)", "cell tokens for a language model")


def _facts(network: OfficialNetwork, sizes: BridgeSizes) -> dict[str, str]:
    config, bert = network.cell_encoder.config, sizes.bert
    facts = {
        "network": f"scGPT of {config.n_layers} layers, width {config.width}, {config.n_heads} heads",
        "bridge": f"{sizes.n_queries} queries, {bert.n_layers} layers, width {bert.width}",
        "input": f"counts as they are, the {_MAX_TOKENS - 1:,} highest genes",
        "vocabulary": f"{config.n_tokens:,} tokens of genes"
        + (f", {bert.n_tokens:,} of words" if bert.n_tokens else ""),
    }
    if sizes.llm_width:
        facts["language model"] = f"width {sizes.llm_width:,}; its own weights are not read"
    return facts
