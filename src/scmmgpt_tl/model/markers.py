r"""Marker genes, a second witness beside the network.

The network judges a cell by all of its genes, in the way that its training cells taught it. Marker
genes know less and are misled by less. For each label there are genes that speak for it, and a
univariate linear model asks of each cell how much they stand out among the genes that were
measured: with the correlation :math:`r` of the cell's values and the label's weights over
:math:`n` measured genes, the evidence is :math:`t = r \sqrt{(n - 2) / (1 - r^2)}`. It depends on
the one cell alone.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from scmmgpt_tl.ontology import CellOntology

MOST, FEWEST = 100, 5
LEAST, LARGEST = -5.0, 20.0
_COLUMNS = {
    "cl_id": "category",
    "symbol": "category",
    "sources": np.float32,
    "contrast": np.float32,
}


@dataclass(frozen=True, eq=False)
class MarkerTable:
    """What is known of the genes of cell types.

    Parameters
    ----------
    terms
        Cell Ontology ids, the rows of both tables.
    sources
        How many curated sources name a gene as a marker, (terms, genes).
    contrast
        How far a gene stands out in the mean profile of the type, (terms, genes).
    """

    terms: tuple[str, ...]
    sources: sparse.csr_matrix
    contrast: sparse.csr_matrix

    @classmethod
    def empty(cls, n_genes: int) -> MarkerTable:
        """Return the table of a model that knows no markers."""
        nothing = sparse.csr_matrix((0, n_genes), dtype=np.float32)
        return cls((), nothing, nothing)

    def weights(
        self,
        labels: Sequence[str],
        measured: NDArray[np.bool_],
        *,
        ontology: CellOntology,
        by_contrast: bool,
    ) -> sparse.csc_matrix:
        """Return how much each gene says for each label, (genes, labels).

        A label has the markers of its term and of all terms below it, the best `MOST` of each
        table; a label with fewer than `FEWEST` has none.

        Parameters
        ----------
        labels
            Cell Ontology ids, `""` for labels outside the ontology.
        measured
            Which genes the data set measured, (genes,): others take no place.
        ontology
            Which terms are below which.
        by_contrast
            Whether to use both tables, or the curated sources alone. Where these are all that is
            known of some label, the others are judged by them alone as well: contrasts stand out
            further, so that it could not keep up.
        """
        place = {term: row for row, term in enumerate(self.terms)}
        below = [
            sorted(place[t] for t in ({key} | ontology.descendants(key)) & place.keys())
            if key
            else []
            for key in labels
        ]
        row = np.repeat(np.arange(len(labels)), [len(terms) for terms in below])
        term = np.concatenate([*below, []]).astype(np.int64)
        ones = np.ones(len(row), dtype=np.float32)
        pooled = sparse.csr_matrix((ones, (row, term)), shape=(len(labels), len(self.terms)))
        seen = sparse.diags(measured.astype(np.float32))
        found = _best(pooled @ self.sources @ seen)
        if by_contrast:
            contrast = _best(pooled @ self.contrast @ seen)
            curated_alone = (found.getnnz(axis=1) > 0) & (contrast.getnnz(axis=1) == 0)
            if not curated_alone.any():
                found = found + contrast
        return found.T.tocsc()

    @classmethod
    def read(cls, path: str | PathLike[str], *, symbols: Sequence[str]) -> MarkerTable:
        """Read a table written by :meth:`write`.

        Parameters
        ----------
        path
            Tab-separated file with the header `cl_id`, `symbol`, `sources`, `contrast`.
        symbols
            Genes of the model, the columns of the tables.

        Raises
        ------
        ValueError
            If the header or a row is not as it should be.
        """
        table = pd.read_csv(path, sep="\t", dtype=_COLUMNS, keep_default_na=False)
        if list(table) != list(_COLUMNS):
            msg = f"{path} must begin with the header {list(_COLUMNS)}, not {list(table)}."
            raise ValueError(msg)
        # Both columns repeat few values, and reading half a million strings takes its time.
        terms, row = table["cl_id"].cat.categories, table["cl_id"].cat.codes
        named = table["symbol"].cat.categories
        place = pd.Index(symbols).get_indexer(named)
        if (place < 0).any():
            msg = f"{path} names {named[place < 0][0]!r}, which is no gene of the model."
            raise ValueError(msg)
        gene = place[table["symbol"].cat.codes]
        shape = (len(terms), len(symbols))
        sources, contrast = (
            sparse.csr_matrix((table[column].to_numpy(), (row, gene)), shape=shape)
            for column in ("sources", "contrast")
        )
        for matrix in (sources, contrast):
            matrix.eliminate_zeros()
        return cls(tuple(map(str, terms)), sources, contrast)

    def write(self, path: str | PathLike[str], *, symbols: Sequence[str]) -> None:
        """Write the table as tab-separated text; contrasts are rounded to two digits."""
        either = (self.sources + self.contrast).tocoo()
        order = np.lexsort((either.col, either.row))
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow(_COLUMNS)
            for i in order:
                r, g = either.row[i], either.col[i]
                numbers = f"{self.sources[r, g]:g}", f"{self.contrast[r, g]:.2f}"
                writer.writerow([self.terms[r], symbols[g], *numbers])


def evidence(
    values: sparse.csr_matrix, weights: sparse.csc_matrix, measured: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return what marker genes say for each label, (cells, labels).

    Parameters
    ----------
    values
        Log-normalised expression of any scale, (cells, genes).
    weights
        Of :meth:`MarkerTable.weights`, (genes, labels).
    measured
        Which genes were measured, (genes,) or, where that differs, (cells, genes).

    Returns
    -------
    t values within `LEAST` and `LARGEST`; a label without markers has the mean of the others, and
    without any markers all have 0.
    """
    panel = np.atleast_2d(measured).astype(np.float32)
    n = panel.sum(1, keepdims=True, dtype=np.float64)
    x_sum = np.asarray(values.sum(1), dtype=np.float64)
    x_spread = np.asarray(values.multiply(values).sum(1), dtype=np.float64) - x_sum**2 / n
    w_sum = np.asarray(panel @ weights, dtype=np.float64)
    w_spread = np.asarray(panel @ weights.power(2), dtype=np.float64) - w_sum**2 / n
    both = (values @ weights).toarray() - x_sum * w_sum / n
    r = both / np.sqrt(np.maximum(x_spread * w_spread, 1e-12))
    t = r * np.sqrt(np.maximum(n - 2, 0) / np.maximum(1 - r * r, 1e-9))
    t = t.clip(LEAST, LARGEST)
    known = np.broadcast_to(w_sum > 0, t.shape)
    mean = (t * known).sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    return np.where(known, t, mean).astype(np.float32)


def _best(support: sparse.csr_matrix) -> sparse.csr_matrix:
    """Keep the largest `MOST` values of each row, at unit length; none of rows with few."""
    support = sparse.csr_matrix(support)
    support.eliminate_zeros()
    support.sort_indices()
    for start, end in pairwise(support.indptr):
        values = support.data[start:end]
        if len(values) < FEWEST:
            values[:] = 0
            continue
        # Of equals the first: which they are must not depend on anything.
        values[np.argsort(-values, kind="stable")[MOST:]] = 0
        values /= np.linalg.norm(values)
    support.eliminate_zeros()
    return support
