"""Nearest neighbours among training cells in the space of principal components."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from _panel import query_values, read_panel
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

if TYPE_CHECKING:
    from collections.abc import Collection

    from _data import Query
    from _material import Training
    from numpy.typing import NDArray

COMPONENTS, NEIGHBOURS = 50, 15


@dataclass(frozen=True)
class Nearest:
    """Training cells that a query is compared with.

    Parameters
    ----------
    columns
        Genes it reads.
    pca
        Takes `log1p(CP10k)` of them to components.
    placed
        Components of the training cells, (cells, components).
    terms
        Cell Ontology id of each, (cells,).
    """

    columns: NDArray[np.int64]
    pca: PCA
    placed: NDArray[np.float32]
    terms: NDArray[np.str_]

    @cached_property
    def types(self) -> tuple[str, ...]:
        """Cell Ontology ids of the classes."""
        return tuple(map(str, np.unique(self.terms)))

    def among(self, types: Collection[str]) -> Nearest:
        """Keep the training cells of some types only, unless there are none."""
        kept = np.isin(self.terms, list(types))
        return (
            replace(self, placed=self.placed[kept], terms=self.terms[kept]) if kept.any() else self
        )

    def probabilities(self, query: Query) -> NDArray[np.float64]:
        """Share of each type among the nearest cells, by the inverse of their distance."""
        n = min(NEIGHBOURS, len(self.placed))
        classifier = KNeighborsClassifier(n, weights="distance").fit(self.placed, self.terms)
        return classifier.predict_proba(self.pca.transform(query_values(query, self.columns)))


def fit_nearest(
    training: Training, measured: NDArray[np.bool_], *, max_genes: int, seed: int
) -> Nearest:
    """Place training cells over the genes that the query measured too.

    Parameters
    ----------
    training
        Cells drawn from the model's own training source.
    measured
        Genes that the query measured, (genes,).
    max_genes
        Most genes to read, see :func:`_panel.read_panel`.
    seed
        Of the randomised decomposition.
    """
    panel = read_panel(training, measured, max_genes=max_genes)
    n = min(COMPONENTS, *panel.values.shape)
    pca = PCA(n, random_state=seed)
    placed = pca.fit_transform(panel.values.toarray())
    return Nearest(panel.columns, pca, placed, np.array(training.types)[panel.term])
