r"""Counts to the tokens of Geneformer: genes ranked by how unusually much of them a cell has.

With counts :math:`x_g`, their sum :math:`n` and the median :math:`m_g` of the non-zero values of a
gene in the training corpus, genes stand in falling order of :math:`10^4 x_g / (n\, m_g)`.
:math:`n` is a factor of the cell and does not change the order; so it does not matter that counts
of genes outside of the vocabulary are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from .tokens import GeneTokens

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

TARGET_SUM = 10_000
_PLACE = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, eq=False)
class RankTokenizer:
    """Tokenizer of Geneformer, and of those that build on it.

    Parameters
    ----------
    token_ids, medians
        Token and median of each gene, (genes,).
    cls, eos
        Tokens that begin and end a cell, `None` in the first version.
    max_length
        Most tokens of a cell, these two included.

    Raises
    ------
    ValueError
        If there is no room for a gene.
    """

    token_ids: NDArray[np.int64]
    medians: NDArray[np.float64]
    cls: int | None
    eos: int | None
    max_length: int = 2048

    def __post_init__(self) -> None:
        if self._room < 1:
            msg = f"`max_length` is too small for a gene: {self.max_length}."
            raise ValueError(msg)

    def __call__(self, rows: csr_matrix) -> GeneTokens:
        """Tokenise a block of counts.

        Parameters
        ----------
        rows
            Counts, (cells, genes of the model), sorted, no explicit zeros.

        Returns
        -------
        Tokens of the cells, highest rank first, with the values that were ranked, or 0 for the
        tokens that are no genes.
        """
        values = _scaled(rows.data.astype(np.float64), rows.indices, rows.indptr, self.medians)
        order = falling(values, rows.indices, rows.indptr, token_ids=self.token_ids)
        n_special = (self.cls is not None) + (self.eos is not None)
        lengths = np.minimum(np.diff(rows.indptr), self._room) + n_special
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        ids = np.empty(offsets[-1], dtype=np.int64)
        ranked = np.zeros(offsets[-1], dtype=np.float32)
        genes = self.token_ids, rows.indices, values, rows.indptr
        _fill(ids, ranked, offsets, self.cls, self.eos, order, *genes)
        return GeneTokens.from_numpy(ids, ranked, offsets)

    @property
    def _room(self) -> int:
        return self.max_length - (self.cls is not None) - (self.eos is not None)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _scaled(
    counts: NDArray[np.float64],
    genes: NDArray[np.integer],
    indptr: NDArray[np.integer],
    medians: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return what genes are ranked by, (entries,)."""
    values = np.empty(len(counts))
    for cell in range(len(indptr) - 1):
        total = 0.0
        for i in range(indptr[cell], indptr[cell + 1]):
            total += counts[i]
        for i in range(indptr[cell], indptr[cell + 1]):
            values[i] = counts[i] / total * TARGET_SUM / medians[genes[i]]
    return values


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _fill(
    ids: NDArray[np.int64],
    values: NDArray[np.float32],
    offsets: NDArray[np.int64],
    cls: int | None,
    eos: int | None,
    order: NDArray[np.int64],
    token_ids: NDArray[np.int64],
    genes: NDArray[np.integer],
    gene_values: NDArray[np.float64],
    indptr: NDArray[np.integer],
) -> None:
    """Write the first genes of each cell, and around them the tokens that begin and end it."""
    for cell in range(len(indptr) - 1):
        place, stop = offsets[cell], offsets[cell + 1]
        if cls is not None:
            ids[place] = cls
            place += 1
        if eos is not None:
            stop -= 1
            ids[stop] = eos
        for i in order[indptr[cell] : indptr[cell] + stop - place]:
            ids[place], values[place] = token_ids[genes[i]], gene_values[i]
            place += 1


def falling(
    values: NDArray[np.float64],
    genes: NDArray[np.integer],
    indptr: NDArray[np.integer],
    *,
    token_ids: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Order the entries of each cell by falling value, and among equals by token.

    Sorting numbers takes a fraction of the time of sorting places by them. So a value, rounded, and
    its place become one number, and only what rounding made equal is looked at again.

    Parameters
    ----------
    values
        Not negative, (entries,).
    genes
        Of the entries.
    indptr
        Where cells begin and end, (cells + 1,).
    token_ids
        Token of each gene.

    Examples
    --------
    >>> genes, indptr = np.array([0, 1, 0, 1]), np.array([0, 2, 4])
    >>> falling(np.array([1.0, 3.0, 2.0, 2.0]), genes, indptr, token_ids=np.array([8, 7]))
    array([1, 0, 3, 2])
    """
    # The bits of floats that are not negative rise with them.
    weight = ~values.astype(np.float32).view(np.uint32)
    keys = (weight.astype(np.uint64) << np.uint64(32)) | np.arange(len(values), dtype=np.uint64)
    for start, stop in pairwise(indptr):
        keys[start:stop].sort()
    order = (keys & _PLACE).astype(np.int64)
    is_next = np.zeros(len(order) + 1, dtype=bool)
    is_next[1:-1] = (keys[1:] ^ keys[:-1]) <= _PLACE
    # The first of a cell is next to none.
    is_next[indptr] = False
    tied = np.flatnonzero(is_next[:-1] | is_next[1:])
    run, places = np.cumsum(~is_next[:-1])[tied], order[tied]
    order[tied] = places[np.lexsort((token_ids[genes[places]], -values[places], run))]
    return order
