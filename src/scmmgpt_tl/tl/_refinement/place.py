"""Where the user's own cells lie beside each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scmmgpt_tl._expression import log_expression

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl._input import Prepared

__all__ = ["principal_components", "read_place"]

N_GENES, N_COMPONENTS = 2000, 50
# Less is rounding: the difference of two sums of squares is not exactly nothing.
VARIES = 1e-12


def read_place(adata: AnnData, use_rep: str) -> NDArray[np.float32]:
    """Read a representation of the cells.

    Parameters
    ----------
    adata
        Cells.
    use_rep
        Key of `.obsm`.

    Raises
    ------
    ValueError
        There is none, or it holds missing or infinite values.
    """
    there = ", ".join(map(repr, adata.obsm)) or "nothing"
    if use_rep not in adata.obsm:
        msg = (
            f"Did not find adata.obsm[{use_rep!r}] of `use_rep`; `.obsm` has {there}. Leave it out "
            "for principal components, or make it first (sc.pp.pca makes 'X_pca')."
        )
        raise ValueError(msg)
    held = adata.obsm[use_rep]
    try:
        place = np.asarray(held.toarray() if sparse.issparse(held) else held, dtype=np.float32)
    except (TypeError, ValueError):
        place = np.empty(0, dtype=np.float32)
    if place.ndim != 2 or not place.shape[1] or not np.isfinite(place).all():
        msg = (
            f"adata.obsm[{use_rep!r}] must hold numbers, cells x dimensions, none of them missing. "
            f"Choose another `use_rep` from {there}, or leave it out."
        )
        raise ValueError(msg)
    return place


def principal_components(prepared: Prepared, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Compute principal components of the most variable genes.

    Parameters
    ----------
    prepared
        Counts of the data set over the model's genes.
    rows
        Cells to look at, in order.

    Returns
    -------
    `(n_rows, n_components)`: 50, or fewer where there are fewer cells or genes.
    """
    import scanpy as sc
    from anndata import AnnData

    if not len(rows):
        return np.zeros((0, 1), dtype=np.float32)
    wanted = replace(prepared, rows=rows)
    columns = most_variable(map(log_expression, wanted.blocks()), N_GENES)
    nothing = sparse.csr_matrix((0, len(columns)), dtype=np.float32)
    blocks = (log_expression(block)[:, columns] for block in wanted.blocks())
    values = sparse.vstack([nothing, *blocks], format="csr")
    n = min(N_COMPONENTS, min(values.shape) - 1)
    if n < 1:
        return np.zeros((len(rows), 1), dtype=np.float32)
    cells = AnnData(values)
    sc.pp.pca(cells, n_comps=n, random_state=0)
    place: NDArray[np.float32] = cells.obsm["X_pca"].astype(np.float32)
    return place


def most_variable(blocks: Iterable[sparse.csr_matrix], n: int) -> NDArray[np.intp]:
    """Find the genes whose values vary most.

    Parameters
    ----------
    blocks
        Values, cells x genes each.
    n
        Most genes to find.

    Returns
    -------
    Their columns, in order; none that does not vary.
    """
    n_cells, sums, squares = 0, np.zeros(1), np.zeros(1)
    for block in blocks:
        exact = block.astype(np.float64)
        n_cells += block.shape[0]
        sums = sums + np.asarray(exact.sum(axis=0)).ravel()
        squares = squares + np.asarray(exact.multiply(exact).sum(axis=0)).ravel()
    variance = squares / max(n_cells, 1) - (sums / max(n_cells, 1)) ** 2
    best = np.argsort(-variance, kind="stable")[:n]
    return np.sort(best[variance[best] > VARIES])
