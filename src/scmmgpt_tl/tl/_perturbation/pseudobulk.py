"""Mean expression and mean embedding of groups of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from scmmgpt_tl._expression import log_expression
from scmmgpt_tl._input import n_genes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scmmgpt_tl.model.scmmgpt import CellStates
    from scmmgpt_tl.tl._session import Session

__all__ = ["Pseudobulk", "read_pseudobulk"]


class Pseudobulk(NamedTuple):
    """Means over the cells of groups.

    Parameters
    ----------
    expression
        Of log1p of counts per ten thousand, (groups, genes that were read).
    cells
        Of the embeddings, (groups, width).
    n_cells
        Cells of each group, (groups,). Where there are none the means are zero.
    """

    expression: NDArray[np.float64]
    cells: NDArray[np.float64]
    n_cells: NDArray[np.int64]


def read_pseudobulk(
    session: Session,
    codes: NDArray[np.intp],
    n_groups: int,
    *,
    genes: NDArray[np.intp],
    batch_size: int | None,
) -> Pseudobulk:
    """Read all cells once; those without counts do not count.

    Parameters
    ----------
    session
        The call.
    codes
        Group of each cell, -1 for none; (cells,).
    n_groups
        How many there are.
    genes
        Which genes of the model to keep; counts are per ten thousand of all its genes.
    batch_size
        Cells per pass.
    """
    sums = _Sums(codes, n_groups, genes)
    session.run(sums.add, batch_size=batch_size, desc="perturb")
    return sums.means()


class _Sums:
    """Adds up while the cells go by, which are too many to keep."""

    def __init__(self, codes: NDArray[np.intp], n_groups: int, genes: NDArray[np.intp]) -> None:
        self._codes, self._genes, self._place = codes, genes, 0
        self._sizes = np.zeros(n_groups, dtype=np.int64)
        self._expression = np.zeros((n_groups, len(genes)))
        self._cells: NDArray[np.float64] | None = None

    def add(self, states: CellStates, rows: csr_matrix) -> dict[str, Any]:
        """Add the next batch."""
        seen = n_genes(rows)
        # With no cells at all the kernel is shown one that is in no group.
        codes = self._codes[self._place : self._place + rows.shape[0]]
        kept = np.flatnonzero((codes >= 0) & (seen[: len(codes)] > 0))
        shape = (len(self._sizes), rows.shape[0])
        which = csr_matrix((np.ones(len(kept)), (codes[kept], kept)), shape=shape)
        expression = (which @ log_expression(rows)).tocsc()[:, self._genes].toarray()
        cells = which @ states.cell.float().cpu().numpy().astype(np.float64)
        # From here on nothing fails: a batch that runs out of memory before is sent again.
        self._expression += expression
        self._cells = cells if self._cells is None else self._cells + cells
        self._sizes += np.bincount(codes[kept], minlength=len(self._sizes))
        self._place += rows.shape[0]
        return {"n_genes": seen}

    def means(self) -> Pseudobulk:
        """Means over the cells of each group."""
        divisor = np.maximum(self._sizes, 1)[:, None]
        cells = np.zeros((len(self._sizes), 0)) if self._cells is None else self._cells
        return Pseudobulk(self._expression / divisor, cells / divisor, self._sizes)
