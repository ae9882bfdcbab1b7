"""Cells as sentences of gene names, compared with texts by a sentence encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from _panel import log_cp10k

from scmmgpt_tl import ontology
from scmmgpt_tl.model.padding import masked_mean
from scmmgpt_tl.model.prompts import label_wordings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from _data import Query
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

TOP_GENES = 100
# What the encoder was trained with.
LONGEST = 256
BATCH = 32
MISSING = "{} holds no sentence encoder. Run `python benchmarks/training/sources.py` first."


class SentenceEncoder:
    """A BERT whose mean word state stands for a text, as in sentence-transformers.

    Parameters
    ----------
    folder
        Where its weights and its tokenizer lie.

    Raises
    ------
    FileNotFoundError
        There are none.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        if not (folder / "config.json").exists():
            raise FileNotFoundError(MISSING.format(folder))
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder).eval()

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the unit vector of each text, (texts, width)."""
        parts = []
        for start in range(0, len(texts), BATCH):
            tokens = self._tokenizer(
                list(texts[start : start + BATCH]),
                padding=True,
                truncation=True,
                max_length=LONGEST,
                return_tensors="pt",
            )
            states = self._model(**tokens).last_hidden_state
            mean = masked_mean(states, tokens["attention_mask"].bool())
            parts.append(torch.nn.functional.normalize(mean, dim=1).numpy())
        return np.concatenate(parts)

    def embed_wordings(self, wordings: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """Return the mean of each thing's texts, at unit length again, (things, width)."""
        every = self.embed([text for texts in wordings for text in texts])
        starts = np.cumsum([0, *(len(texts) for texts in wordings)])[:-1]
        sums = np.add.reduceat(every, starts, axis=0)
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def cell_sentences(query: Query, genes: GeneTable) -> list[str]:
    """Name the most strongly expressed genes of each cell, the strongest first.

    Parameters
    ----------
    query
        Cells.
    genes
        Gene table of the query.
    """
    values = log_cp10k(query.counts, query.measured)
    sentences = []
    for start, stop in zip(values.indptr[:-1], values.indptr[1:], strict=True):
        order = np.argsort(-values.data[start:stop], kind="stable")[:TOP_GENES]
        sentences.append(" ".join(genes.symbols[i] for i in values.indices[start:stop][order]))
    return sentences


def words_of(term: str, written: str = "") -> tuple[str, ...]:
    """Say a label in words: as :mod:`scmmgpt_tl` says it to its own text encoder.

    Parameters
    ----------
    term
        Cell Ontology id, `""` where there is none.
    written
        What stands for a label without an id.
    """
    if not term:
        return (written,)
    cl = ontology.load()
    return label_wordings(cl.name(term), cl.definition(term))
