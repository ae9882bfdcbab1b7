"""Where the user's own cells lie beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scmmgpt_tl._expression import log_expression

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl._input import Prepared

__all__ = ["principal_components", "read_place"]

N_GENES, N_COMPONENTS = 2000, 50


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
    values = log_expression(sparse.vstack(list(prepared.blocks()), format="csr")[rows])
    values = values[:, most_variable(values, N_GENES)]
    n = min(N_COMPONENTS, min(values.shape) - 1)
    if n < 1:
        return np.zeros((len(rows), 1), dtype=np.float32)
    cells = AnnData(values)
    sc.pp.pca(cells, n_comps=n, random_state=0)
    place: NDArray[np.float32] = cells.obsm["X_pca"].astype(np.float32)
    return place


def most_variable(values: sparse.csr_matrix, n: int) -> NDArray[np.intp]:
    """Columns of the genes whose values vary most, in order; none that does not vary."""
    mean = np.asarray(values.mean(axis=0)).ravel()
    variance = np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2
    best = np.argsort(-variance, kind="stable")[:n]
    return np.sort(best[variance[best] > 0])
