"""What trained baselines share: training cells over the genes of one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import sparse
from sklearn.feature_selection import f_classif

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology._share_out import most_specific

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _data import Query
    from _material import Training
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

FEWEST_GENES = 20


class Classifier(Protocol):
    """A baseline after its training."""

    types: tuple[str, ...]

    def probabilities(self, query: Query) -> NDArray[np.float64]:
        """Probability of each type in each cell, (cells, types)."""


@dataclass(frozen=True)
class Panel:
    """Training cells over the genes that a query measured.

    Parameters
    ----------
    rows
        Training cells that are used.
    columns
        Genes that are used.
    values
        Their `log1p(CP10k)`, (cells, genes).
    term
        Index into the types of the training cells, (cells,).
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: sparse.csr_matrix
    term: NDArray[np.int64]


def read_panel(training: Training, measured: NDArray[np.bool_], *, max_genes: int) -> Panel:
    """Choose training cells and genes for a query.

    Parameters
    ----------
    training
        Cells drawn from the model's own training source.
    measured
        Genes that the query measured too, (genes,).
    max_genes
        Most genes to read: those that differ most between the types.
    """
    values = log_cp10k(training.expression, measured)
    # A cell of another panel that shares few genes with this one teaches nothing; a panel of some
    # thirty genes cannot ask for twenty of them.
    least = min(FEWEST_GENES, int(measured.sum()) // 4)
    rows = np.flatnonzero(np.diff(values.indptr) >= least)
    values, term = values[rows], training.term[rows]
    columns = _telling_genes(values, term, max_genes)
    return Panel(rows, columns, values[:, columns].tocsr(), term)


def query_values(query: Query, columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return `log1p(CP10k)` of a query's cells over chosen genes, (cells, genes)."""
    return log_cp10k(query.counts, query.measured)[:, columns].toarray()


def log_cp10k(counts: sparse.csr_matrix, measured: NDArray[np.bool_]) -> sparse.csr_matrix:
    """Return `log1p` of counts per ten thousand over the measured genes, (cells, genes)."""
    kept = (counts @ sparse.diags(measured.astype(np.float32))).tocsr()
    kept.eliminate_zeros()
    total = np.asarray(kept.sum(axis=1)).ravel()
    factor = np.divide(1e4, total, out=np.zeros_like(total), where=total > 0)
    return (sparse.diags(factor) @ kept).tocsr().log1p().astype(np.float32)


def share_out(
    probabilities: NDArray[np.floating], types: Sequence[str], label_ids: Sequence[str]
) -> NDArray[np.float64]:
    """Add up the probabilities of classes that are a label or one of its descendants.

    Where labels are nested, a class counts for the most specific one: else "CD8 T cell" could
    never win against "T cell". Labels of one id share it evenly; a label without a class gets 0.

    Parameters
    ----------
    probabilities
        Of each class, (cells, classes).
    types, label_ids
        Ids of classes and of labels, `""` for a label that has none.
    """
    cl = ontology.load()
    known = [key for key in dict.fromkeys(label_ids) if key]
    belongs = np.zeros((len(types), len(label_ids)))
    for i, term in enumerate(types):
        finest = most_specific(term, known, ontology=cl)
        belongs[i] = [key in finest for key in label_ids]
    shares = [max(list(label_ids).count(key), 1) for key in label_ids]
    return probabilities @ (belongs / shares)


def types_below(types: Sequence[str], label_ids: Sequence[str]) -> frozenset[str]:
    """Return the types that are one of the labels or descend from one."""
    cl = ontology.load()
    wanted = {cl.current(key) for key in label_ids if key}
    return frozenset(term for term in types if ({term} | cl.ancestors(term)) & wanted)


def symbols_of(query: Query, genes: GeneTable) -> list[str]:
    """Genes that a query measured."""
    return [genes.symbols[i] for i in np.flatnonzero(query.measured)]


def _telling_genes(values: sparse.csr_matrix, term: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Genes whose expression differs most between types, by the F statistic."""
    seen = np.flatnonzero(np.diff(values.tocsc().indptr) >= FEWEST_GENES)
    statistic, _ = f_classif(values[:, seen], term)
    best = np.argsort(-np.nan_to_num(statistic), kind="stable")[:n]
    return np.sort(seen[best])
