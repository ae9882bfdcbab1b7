"""Row blocks of a matrix, whatever its storage, and the AnnData inside a MuData."""

from __future__ import annotations

from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData
from anndata.abc import CSCDataset
from scanpy import logging as logg
from scipy import sparse

from ._settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mudata import MuData
    from numpy.typing import NDArray

DEFAULT_MODALITY = "rna"


def modality(data: AnnData | MuData, mod: str | None = None) -> AnnData:
    """Give the AnnData to work on.

    Parameters
    ----------
    data
        An AnnData, or a MuData to take a modality of.
    mod
        Name of the modality; `"rna"` where none is named.

    Raises
    ------
    TypeError
        If `data` is neither, or `mod` is given for an AnnData.
    ValueError
        If the MuData has no such modality.
    """
    if isinstance(data, AnnData):
        if mod is not None:
            msg = f"`mod={mod!r}` picks a modality of a MuData, but `adata` is an AnnData."
            raise TypeError(msg)
        return data
    refuse_path(data)
    # MuData is recognised by its shape: importing mudata here would slow down everyone without it.
    modalities = getattr(data, "mod", None)
    if modalities is None or not hasattr(data, "obsmap"):
        msg = f"`adata` must be an AnnData or a MuData, not {type(data).__name__}."
        raise TypeError(msg)
    name = DEFAULT_MODALITY if mod is None else mod
    if name not in modalities:
        msg = f"There is no modality {name!r}. Pass `mod=` as one of {list(modalities)}."
        raise ValueError(msg)
    return modalities[name]


def refuse_path(data: object) -> None:
    """Refuse the name of a file where its cells are needed.

    Parameters
    ----------
    data
        What the user passed.

    Raises
    ------
    TypeError
        If it is a path.
    """
    if isinstance(data, str | Path):
        msg = (
            f"This does not take the path {str(data)!r}. Open the file: `adata` may be "
            "`anndata.read_h5ad(path, backed='r')`, of which no more than needed is loaded."
        )
        raise TypeError(msg)


def get_matrix(adata: AnnData, layer: str | None = None) -> Any:
    """Give `X` or a layer in a form that :func:`row_blocks` reads without loading it whole.

    Parameters
    ----------
    adata
        Cells x genes.
    layer
        A layer, or `None` for `X`.
    """
    if adata.isbacked and adata.is_view and layer is None:
        # `view.X` would load all rows of the view, and a backed view cannot be sliced any further.
        return _BackedView(adata)
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        msg = f"There is no `adata.X`. Pass `layer=` as one of {layer_names(adata)}."
        raise ValueError(msg)
    return matrix


def layer_names(adata: AnnData) -> list[str]:
    """Names of the layers, without the `None` by which newer versions of anndata mean `X`.

    Parameters
    ----------
    adata
        Cells x genes.
    """
    return [name for name in adata.layers if name is not None]


def row_blocks(
    matrix: Any, size: int, rows: range | None = None
) -> Iterator[tuple[int, int, sparse.csr_matrix]]:
    """Read a matrix from top to bottom.

    Parameters
    ----------
    matrix
        Dense or sparse, in memory, backed by h5ad or zarr, or dask.
    size
        Most rows to hold at a time.
    rows
        Which rows, without gaps; by default all of them.

    Yields
    ------
    First row, row behind the last, and the rows as float32 CSR: sorted, without repeated entries
    or stored zeros, and never sharing memory with `matrix`.

    Raises
    ------
    TypeError
        If the matrix is of a kind that cannot be read.

    Examples
    --------
    >>> [(start, stop) for start, stop, block in row_blocks(np.eye(5), 2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    if size < 1:
        msg = f"Blocks must have at least one row, not {size}."
        raise ValueError(msg)
    source = in_rows(matrix)
    for low, high in _parts(source, range(source.shape[0]) if rows is None else rows):
        # Storage other than dask is sliced block by block: nothing is loaded here.
        chunked = hasattr(source, "dask")
        part, first = (source[low:high].compute(), low) if chunked else (source, 0)
        for start in range(low, high, size):
            stop = min(start + size, high)
            yield start, stop, to_csr(part[start - first : stop - first])


def take_rows(matrix: Any, rows: NDArray[np.intp]) -> sparse.csr_matrix:
    """Read some rows, in ascending order, as :func:`row_blocks` does.

    Parameters
    ----------
    matrix
        As for :func:`row_blocks`.
    rows
        Ascending row numbers.
    """
    part = in_rows(matrix)[rows]
    return to_csr(part.compute() if hasattr(part, "dask") else part)


def to_csr(part: Any) -> sparse.csr_matrix:
    """Copy rows to float32 CSR: sorted, without repeated entries or stored zeros.

    Missing values are zeros where the settings say so.

    Parameters
    ----------
    part
        Rows in memory, dense or sparse.

    Raises
    ------
    ValueError
        If a sparse matrix points outside of its rows or columns.
    """
    if sparse.issparse(part):
        rows = part.tocsr()
        # Copies: scipy may hand back the caller's own arrays, and the clean-up works in place.
        parts = rows.data.astype(np.float32), rows.indices.copy(), rows.indptr.copy()
        block = sparse.csr_matrix(parts, shape=rows.shape)
        _check_indices(block)
    else:
        block = sparse.csr_matrix(np.atleast_2d(np.asarray(part, dtype=np.float32)))
    if settings.nan == "zero":
        block.data[np.isnan(block.data)] = 0
    block.sum_duplicates()
    block.eliminate_zeros()
    return block


def _check_indices(block: sparse.csr_matrix) -> None:
    """Refuse what a damaged file holds, which scipy would follow out of its memory."""
    try:
        block.check_format(full_check=True)
    except ValueError as error:
        msg = f"The matrix is damaged: {error}. Load or write the file anew."
        raise ValueError(msg) from error


class _BackedView:
    """Rows of a view of a backed AnnData, read from its parent when asked for."""

    def __init__(self, view: AnnData) -> None:
        self._parent, self._columns = view._adata_ref, view._vidx
        self._rows = np.arange(view._adata_ref.n_obs)[view._oidx]
        self.shape = view.shape

    def __getitem__(self, rows: Any) -> Any:
        return self._parent[self._rows[rows], self._columns].X


@singledispatch
def in_rows(matrix: Any) -> Any:
    """Something that gives rows quickly: the matrix itself where it does.

    Parameters
    ----------
    matrix
        As for :func:`row_blocks`.
    """
    module = type(matrix).__module__.partition(".")[0]
    if module in {"h5py", "zarr", "dask", "anndata"} or isinstance(matrix, _BackedView):
        return matrix
    msg = (
        f"Cannot read a matrix of type {type(matrix).__module__}.{type(matrix).__name__}. "
        "Use a numpy array, a scipy sparse matrix, a backed AnnData or a dask array."
    )
    raise TypeError(msg)


@in_rows.register
def _(matrix: np.ndarray) -> Any:
    return np.asarray(matrix)


@in_rows.register(sparse.spmatrix)
@in_rows.register(sparse.sparray)
def _(matrix: Any) -> Any:
    return matrix.tocsr()


@in_rows.register
def _(matrix: CSCDataset) -> Any:
    logg.hint("the matrix is stored by columns (CSC): reading it whole")
    return matrix.to_memory().tocsr()


def _parts(matrix: Any, rows: range) -> Iterator[tuple[int, int]]:
    """Row ranges to load at once: everything, or a dask array's own chunks."""
    if not hasattr(matrix, "dask"):
        yield rows.start, rows.stop
        return
    stops = np.cumsum(matrix.chunks[0])
    for start, stop in zip(stops - matrix.chunks[0], stops, strict=True):
        low, high = max(int(start), rows.start), min(int(stop), rows.stop)
        if low < high:
            yield low, high
