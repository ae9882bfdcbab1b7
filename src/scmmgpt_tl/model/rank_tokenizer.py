r"""Counts to the tokens of Geneformer: genes ranked by how unusually much of them a cell has.

With counts :math:`x_g`, their sum :math:`n` and the median :math:`m_g` of the non-zero values of a
gene in the training corpus, genes stand in falling order of :math:`10^4 x_g / (n\, m_g)`.
:math:`n` is a factor of the cell and does not change the order; so it does not matter that counts
of genes outside of the vocabulary are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .tokens import GeneTokens

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

TARGET_SUM = 10_000


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
        n_genes = np.diff(rows.indptr).astype(np.int64)
        cell = np.repeat(np.arange(rows.shape[0]), n_genes)
        counts = rows.data.astype(np.float64)
        total = np.bincount(cell, counts, minlength=rows.shape[0])
        value = counts / total[cell] * TARGET_SUM / self.medians[rows.indices]
        # Among equals the gene with the smaller token comes first.
        order = np.lexsort((self.token_ids[rows.indices], -value, cell))
        rank = np.arange(len(cell)) - rows.indptr[:-1].astype(np.int64)[cell]
        order = order[rank < self._room]
        ids, values = self.token_ids[rows.indices[order]], value[order].astype(np.float32)
        return self._framed(ids, values, np.minimum(n_genes, self._room))

    @property
    def _room(self) -> int:
        return self.max_length - (self.cls is not None) - (self.eos is not None)

    def _framed(
        self, ids: NDArray[np.int64], values: NDArray[np.float32], n_genes: NDArray[np.int64]
    ) -> GeneTokens:
        """Put the tokens that begin and end a cell around its genes."""
        before, after = self.cls is not None, self.eos is not None
        offsets = np.concatenate([[0], np.cumsum(n_genes + before + after)]).astype(np.int64)
        framed = np.zeros(offsets[-1], dtype=np.int64)
        is_gene = np.ones(offsets[-1], dtype=bool)
        if self.cls is not None:
            framed[offsets[:-1]], is_gene[offsets[:-1]] = self.cls, False
        if self.eos is not None:
            framed[offsets[1:] - 1], is_gene[offsets[1:] - 1] = self.eos, False
        framed[is_gene] = ids
        out = np.zeros(offsets[-1], dtype=np.float32)
        out[is_gene] = values
        return GeneTokens.from_numpy(framed, out, offsets)
