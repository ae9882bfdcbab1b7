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

N_GENES, N_COMPONENTS, LARGEST = 2000, 50, 10.0


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
    if use_rep not in adata.obsm:
        there = ", ".join(map(repr, adata.obsm)) or "nothing"
        msg = f"Did not find adata.obsm[{use_rep!r}] of `use_rep`; `.obsm` has {there}."
        raise ValueError(msg)
    place = np.asarray(adata.obsm[use_rep], dtype=np.float32)
    if place.ndim != 2 or not np.isfinite(place).all():
        msg = f"adata.obsm[{use_rep!r}] must be numbers, cells x dimensions, none of them missing."
        raise ValueError(msg)
    return place


def principal_components(prepared: Prepared, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Compute principal components of the most variable genes, as scanpy does.

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

    values = log_expression(sparse.vstack(list(prepared.blocks()), format="csr")[rows])
    values = values[:, _most_variable(values)]
    values.data = np.minimum(values.data, LARGEST)
    n = min(N_COMPONENTS, min(values.shape) - 1)
    if n < 1:
        return np.zeros((len(rows), 1), dtype=np.float32)
    cells = AnnData(values)
    sc.pp.pca(cells, n_comps=n, random_state=0)
    place: NDArray[np.float32] = cells.obsm["X_pca"].astype(np.float32)
    return place


def _most_variable(values: sparse.csr_matrix) -> NDArray[np.intp]:
    mean = np.asarray(values.mean(axis=0)).ravel()
    variance = np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2
    best = np.argsort(-variance, kind="stable")[:N_GENES]
    return np.sort(best[variance[best] > 0])
