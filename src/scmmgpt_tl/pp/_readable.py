"""Values that no count can have: found, and named by cell and gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl._stream.cells import StoredCells

__all__ = ["first_unreadable", "refuse_unreadable"]


def refuse_unreadable(
    block: csr_matrix,
    rows: NDArray[np.intp],
    *,
    adata: AnnData | StoredCells,
    slot: str,
    first: int = 0,
) -> None:
    """Refuse rows with a negative, missing or infinite value.

    Parameters
    ----------
    block
        Cells x genes of the file.
    rows
        Which cells of `adata` these are.
    adata
        Has the names.
    slot
        Where the values are, for the message.
    first
        Number that the first cell of `adata` has for the user.

    Raises
    ------
    ValueError
        There is one.
    """
    if n_bad := int(_unreadable(block).sum()):
        msg = (
            f"{slot} holds {n_bad} negative, NaN or infinite values in cells {first + rows[0]} to "
            f"{first + rows[-1]}; {first_unreadable(block, rows, adata=adata)}. Remove these, or pass `layer=` to name "
            "another layer."
        )
        raise ValueError(msg)


def first_unreadable(
    block: csr_matrix, rows: NDArray[np.intp], *, adata: AnnData | StoredCells
) -> str:
    """Say which value of some rows is the first that is negative, missing or infinite.

    Parameters
    ----------
    block, rows, adata
        As for :func:`refuse_unreadable`; there is such a value.
    """
    first = int(np.flatnonzero(_unreadable(block))[0])
    row = rows[int(np.searchsorted(block.indptr, first, side="right")) - 1]
    gene, cell = adata.var_names[block.indices[first]], adata.obs_names[row]
    return f"the first is {block.data[first]} for gene {gene!r} in cell {cell!r}"


def _unreadable(block: csr_matrix) -> NDArray[np.bool_]:
    return ~(np.isfinite(block.data) & (block.data >= 0))
