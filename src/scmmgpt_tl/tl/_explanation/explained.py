"""From attributions of cells to tables of the genes that count most."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from scmmgpt_tl._expression import log_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from .attribute import Attributed
    from .subjects import Subjects

__all__ = ["Explained", "gather", "gene_table", "overview_table"]


class Explained(NamedTuple):
    """One subject, means over its cells.

    Parameters
    ----------
    genes
        The genes that count most, for the label and then against it.
    attributions
        What each adds.
    log_odds, start, total
        Log-odds, those that the attributions start from, and the sum of the attributions of all
        genes.
    """

    genes: NDArray[np.intp]
    attributions: NDArray[np.float64]
    log_odds: float
    start: float
    total: float


def gather(
    batches: Iterable[Attributed], codes: NDArray[np.intp], *, n_genes: int
) -> Iterator[Explained]:
    """Average the cells of each subject as they come, and keep its strongest genes.

    Parameters
    ----------
    batches
        Attributions of all cells, in order.
    codes
        Ascending number of the subject of each cell, `(n_cells,)`; none is left out.
    n_genes
        Genes to keep for a label, and against it.
    """
    place, held = 0, None
    sizes = np.bincount(codes)
    for batch in batches:
        own = codes[place : place + len(batch.genes)]
        place += len(own)
        numbers = np.column_stack([batch.log_odds, batch.start])
        for code in np.unique(own):
            genes = batch.genes[own == code].sum(axis=0, dtype=np.float64)
            ends = numbers[own == code].sum(axis=0)
            held = (genes, ends) if held is None else (held[0] + genes, held[1] + ends)
            if np.searchsorted(codes, code, side="right") <= place:
                yield _strongest(held[0] / sizes[code], held[1] / sizes[code], n_genes)
                held = None


def _strongest(genes: NDArray[np.float64], ends: NDArray[np.float64], n: int) -> Explained:
    order = np.argsort(-genes, kind="stable")
    first, last = order[:n], order[::-1][:n]
    kept = np.concatenate([first[genes[first] > 0], last[genes[last] < 0]])
    return Explained(kept, genes[kept], float(ends[0]), float(ends[1]), float(genes.sum()))


def gene_table(
    found: Sequence[Explained],
    subjects: Subjects,
    rows: sparse.csr_matrix,
    *,
    symbols: Sequence[str],
    weights: sparse.csc_matrix | None,
) -> pd.DataFrame:
    """Lay out the genes, one row each.

    Parameters
    ----------
    found
        What was found of each subject.
    subjects
        What was explained.
    rows
        Counts of its cells, `(n_cells, n_genes)`.
    symbols
        Names of the genes.
    weights
        How much each gene says for each label, `(n_genes, n_labels)`, where markers are known.
    """
    expression = _mean_expression(subjects.codes, rows)
    parts = []
    for place, one in enumerate(found):
        n_for = int((one.attributions > 0).sum())
        marker = np.zeros(len(one.genes), dtype=bool)
        if weights is not None:
            label = subjects.contests.sides[place, 0]
            marker = np.asarray(weights[one.genes][:, label].sum(axis=1)).ravel() > 0
        parts.append(
            pd.DataFrame(
                {
                    subjects.kind: subjects.names[place],
                    "label": subjects.contests.labels[place],
                    "against": subjects.contests.against[place],
                    "rank": [*range(1, n_for + 1), *range(1, len(one.genes) - n_for + 1)],
                    "gene": [symbols[gene] for gene in one.genes],
                    "attribution": one.attributions.astype(np.float32),
                    "expression": expression[place, one.genes].toarray().ravel(),
                    "marker": marker,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def overview_table(found: Sequence[Explained], subjects: Subjects) -> pd.DataFrame:
    """Lay out what is explained, one row a subject; where nothing adds up, `start` is left out.

    Parameters
    ----------
    found
        What was found of each subject.
    subjects
        What was explained.
    """
    table = pd.DataFrame(
        {
            subjects.kind: list(subjects.names),
            "label": list(subjects.contests.labels),
            "against": list(subjects.contests.against),
            "n_cells": np.bincount(subjects.codes),
            "log_odds": np.array([one.log_odds for one in found], dtype=np.float32),
            "start": np.array([one.start for one in found], dtype=np.float32),
            "total": np.array([one.total for one in found], dtype=np.float32),
        }
    )
    return table.drop(columns="start") if table["start"].isna().all() else table


def _mean_expression(codes: NDArray[np.intp], rows: sparse.csr_matrix) -> sparse.csr_matrix:
    share = 1 / np.bincount(codes)
    shape = (len(share), len(codes))
    groups = sparse.csr_matrix((share[codes], (codes, np.arange(len(codes)))), shape=shape)
    return (groups @ log_expression(rows)).astype(np.float32).tocsr()
