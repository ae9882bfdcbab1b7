"""Multinomial logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from _panel import query_values, read_panel
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from _data import Query
    from _material import Training
    from numpy.typing import NDArray

# CellTypist clips standardised values here.
LARGEST = 10.0


@dataclass(frozen=True)
class Logistic:
    """Logistic regression on standardised expression, trained on the genes of one query.

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
        values = query_values(query, self.columns)
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
        Most genes to read, see :func:`_panel.read_panel`.
    max_iter
        Most iterations of L-BFGS.
    """
    panel = read_panel(training, measured, max_genes=max_genes)
    scaler = StandardScaler()
    dense = _clip(scaler.fit_transform(panel.values.toarray()))
    classifier = LogisticRegression(C=1.0, solver="lbfgs", max_iter=max_iter)
    classifier.fit(dense, panel.term)
    types = tuple(training.types[code] for code in classifier.classes_)
    return Logistic(panel.columns, scaler, classifier, types)


def _clip(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.minimum(values, LARGEST, out=values)
