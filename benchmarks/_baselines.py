"""What the model is compared with: logistic regression and marker genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology._share_out import most_specific

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from _data import Query
    from _material import Training
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

# CellTypist clips standardised values here.
LARGEST = 10.0
FEWEST_GENES = 20
# Of 50, 100 and 300 markers, weighted or not, this did best on the development data.
MOST_MARKERS, FEWEST_MARKERS = 100, 5
NETWORK = ["source", "target", "weight"]


@dataclass(frozen=True)
class Logistic:
    """Logistic regression in CellTypist's way, trained on the genes of one query.

    Parameters
    ----------
    columns
        Genes it reads.
    scaler
        Standardises them.
    classifier
        The regression.
    types
        Cell Ontology ids of its classes.
    """

    columns: NDArray[np.int64]
    scaler: StandardScaler
    classifier: LogisticRegression
    types: tuple[str, ...]

    def probabilities(self, query: Query) -> NDArray[np.float64]:
        """Probability of each type in each cell, (cells, types)."""
        values = log_cp10k(query.counts, query.measured)[:, self.columns].toarray()
        return self.classifier.predict_proba(_clip(self.scaler.transform(values)))


def fit_logistic(
    training: Training, measured: NDArray[np.bool_], *, max_genes: int, max_iter: int
) -> Logistic:
    """Train on `log1p(CP10k)` of the genes that the query measured too.

    Parameters
    ----------
    training
        Cells drawn from the model's own training source.
    measured
        Genes that the query measured, (genes,).
    max_genes
        Most genes to read: those that differ most between the types.
    max_iter
        Most iterations of L-BFGS.
    """
    values = log_cp10k(training.expression, measured)
    # A cell of another panel that shares few genes with this one teaches nothing.
    rows = np.flatnonzero(np.diff(values.indptr) >= FEWEST_GENES)
    values, term = values[rows], training.term[rows]
    columns = _telling_genes(values, term, max_genes)
    scaler = StandardScaler()
    dense = _clip(scaler.fit_transform(values[:, columns].toarray()))
    classifier = LogisticRegression(C=1.0, solver="lbfgs", max_iter=max_iter)
    classifier.fit(dense, term)
    types = tuple(training.types[code] for code in classifier.classes_)
    return Logistic(columns, scaler, classifier, types)


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


class Markers:
    """Marker genes of cell types, and of what descends from them.

    Parameters
    ----------
    table
        Columns `cell_type_id`, `marker`, `evidence`: how many sources name the marker.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table

    @classmethod
    def read(cls, path: Path) -> Markers:
        """Read positive human markers of a Cell Marker Accordion table."""
        cl = ontology.load()
        raw = pd.read_csv(path)
        raw = raw[(raw["species"] == "Human") & (raw["marker_type"] == "positive")]
        raw = raw[
            raw["cell_type_id"].isin([key for key in raw["cell_type_id"].unique() if key in cl])
        ]
        raw["cell_type_id"] = raw["cell_type_id"].map(cl.current)
        best = raw.groupby(["cell_type_id", "marker"], as_index=False)["evidence_global"].max()
        return cls(best.rename(columns={"evidence_global": "evidence"}))

    def network(self, terms: Iterable[str], symbols: Collection[str]) -> pd.DataFrame:
        """Best supported markers of each term, as decoupler reads them.

        Parameters
        ----------
        terms
            Cell Ontology ids.
        symbols
            Genes of the query: a marker that it did not measure takes no place.

        Returns
        -------
        Columns `source`, `target`, `weight`; terms with too few markers are left out.
        """
        cl = ontology.load()
        table = self._table[self._table["marker"].isin(symbols)]
        parts = []
        for term in dict.fromkeys(terms):
            own = table[table["cell_type_id"].isin({term} | cl.descendants(term))]
            support = own.groupby("marker")["evidence"].sum().nlargest(MOST_MARKERS)
            if len(support) >= FEWEST_MARKERS:
                rows = zip([term] * len(support), support.index, support, strict=True)
                parts.append(pd.DataFrame(rows, columns=NETWORK))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=NETWORK)

    @property
    def terms(self) -> tuple[str, ...]:
        """Ids that have markers of their own."""
        return tuple(sorted(self._table["cell_type_id"].unique()))


def score_markers(
    query: Query, terms: Sequence[str], *, network: pd.DataFrame, genes: GeneTable
) -> NDArray[np.float64]:
    """Score each cell for each term by a univariate linear model of its markers.

    Parameters
    ----------
    query
        Cells.
    terms
        Cell Ontology ids; `""`, or a term without markers, scores minus infinity.
    network
        Markers, see :meth:`Markers.network`.
    genes
        Gene table of the query.

    Returns
    -------
    The t value of each term's markers, (cells, terms).
    """
    import decoupler as dc

    if network.empty:
        return np.full((query.counts.shape[0], len(terms)), -np.inf)
    columns = np.flatnonzero(query.measured)
    values = pd.DataFrame(
        log_cp10k(query.counts, query.measured)[:, columns].toarray(),
        columns=symbols_of(query, genes),
    )
    values.index = values.index.astype(str)
    found, _ = dc.mt.ulm(data=values, net=network, tmin=FEWEST_MARKERS, empty=False, verbose=False)
    scores = found.reindex(index=values.index, columns=list(dict.fromkeys(terms)))
    return scores[list(terms)].fillna(-np.inf).to_numpy(dtype=np.float64)


def symbols_of(query: Query, genes: GeneTable) -> list[str]:
    """Genes that a query measured."""
    return [genes.symbols[i] for i in np.flatnonzero(query.measured)]


def _telling_genes(values: sparse.csr_matrix, term: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Genes whose expression differs most between types, by the F statistic."""
    seen = np.flatnonzero(np.diff(values.tocsc().indptr) >= FEWEST_GENES)
    statistic, _ = f_classif(values[:, seen], term)
    best = np.argsort(-np.nan_to_num(statistic), kind="stable")[:n]
    return np.sort(seen[best])


def _clip(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.minimum(values, LARGEST, out=values)
