from __future__ import annotations

import itertools

import anndata as ad
import h5py
import numpy as np
import pytest
import zarr
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from scmmgpt_tl._matrix import get_matrix, modality, row_blocks, take_rows, to_csr
from scmmgpt_tl._settings import settings

# anndata and mudata announce that their defaults will change; nothing here depends on them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning"),
    pytest.mark.filterwarnings("ignore:From 0.4 .update:FutureWarning"),
]


@pytest.fixture
def dense() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.poisson(0.6, size=(23, 11)).astype(np.float32)
    values[[0, 7, 22]] = 0
    return values


def _disordered(values: np.ndarray) -> sparse.csr_matrix:
    """CSR with columns in reverse, every entry split in two, and a stored zero in each row."""
    indices, data, indptr = [], [], [0]
    for row in values:
        where = np.flatnonzero(row)[::-1]
        empty = np.flatnonzero(row == 0)[:1]
        indices += [*where, *where, *empty]
        data += [*(row[where] - 1), *np.ones(where.size), *np.zeros(empty.size)]
        indptr.append(len(indices))
    parts = np.array(data), np.array(indices, dtype=np.int64), np.array(indptr, dtype=np.int64)
    matrix = sparse.csr_matrix(values.shape)
    matrix.data, matrix.indices, matrix.indptr = parts
    return matrix


def _backed(values, path, as_dense: bool = False):
    matrix = values if as_dense else sparse.csr_matrix(values)
    AnnData(matrix).write_h5ad(path / "x.h5ad")
    return ad.read_h5ad(path / "x.h5ad", backed="r").X


def _backed_csc(values, path):
    AnnData(sparse.csc_matrix(values)).write_h5ad(path / "x.h5ad")
    return ad.read_h5ad(path / "x.h5ad", backed="r").X


def _zarr_sparse(values, path):
    AnnData(sparse.csr_matrix(values)).write_zarr(path / "x.zarr")
    return ad.io.sparse_dataset(zarr.open(str(path / "x.zarr"), mode="r")["X"])


def _zarr_dense(values, path):
    AnnData(values).write_zarr(path / "x.zarr")
    return zarr.open(str(path / "x.zarr"), mode="r")["X"]


def _h5_dense(values, path):
    with h5py.File(path / "x.h5", "w") as file:
        file["x"] = values
    return h5py.File(path / "x.h5")["x"]


def _dask(values, path, chunks=(6, 4)):
    import dask.array as da

    return da.from_array(values, chunks=chunks)


def _dask_sparse(values, path):
    import dask.array as da

    rows = da.from_array(values, chunks=(6, -1))
    return rows.map_blocks(sparse.csr_matrix, dtype=values.dtype)


def _view(values, path):
    return AnnData(sparse.csr_matrix(np.vstack([values, values])))[: len(values)].X


def _dense_view(values, path):
    return AnnData(np.vstack([values, values]))[: len(values)].X


STORED = {
    "ndarray": lambda values, path: values,
    "fortran": lambda values, path: np.asfortranarray(values),
    "strided": lambda values, path: np.repeat(values, 2, axis=1)[:, ::2],
    "csr_matrix": lambda values, path: sparse.csr_matrix(values),
    "csc_matrix": lambda values, path: sparse.csc_matrix(values),
    "coo_matrix": lambda values, path: sparse.coo_matrix(values),
    "csr_array": lambda values, path: sparse.csr_array(values),
    "csc_array": lambda values, path: sparse.csc_array(values),
    "disordered": lambda values, path: _disordered(values),
    "backed_csr": _backed,
    "backed_csc": _backed_csc,
    "backed_dense": lambda values, path: _backed(values, path, as_dense=True),
    "h5_dense": _h5_dense,
    "zarr_csr": _zarr_sparse,
    "zarr_dense": _zarr_dense,
    "dask": _dask,
    "dask_sparse": _dask_sparse,
    "view": _view,
    "dense_view": _dense_view,
}
every_storage = pytest.mark.parametrize("store", STORED.values(), ids=STORED.keys())


def assert_canonical(block) -> None:
    assert isinstance(block, sparse.csr_matrix)
    assert block.dtype == np.float32
    assert (block.data != 0).all()
    for low, high in zip(block.indptr[:-1], block.indptr[1:], strict=True):
        assert (np.diff(block.indices[low:high]) > 0).all()


@every_storage
@pytest.mark.parametrize("size", [1, 5, 23, 100])
def test_blocks_put_together_are_the_matrix(store, size, dense, tmp_path):
    blocks = list(row_blocks(store(dense, tmp_path), size))
    assert blocks[0][0] == 0
    assert blocks[-1][1] == len(dense)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(blocks))
    for start, stop, block in blocks:
        assert stop - start <= size
        assert_canonical(block)
        np.testing.assert_array_equal(block.toarray(), dense[start:stop])


@every_storage
def test_rows_can_be_picked(store, dense, tmp_path):
    rows = np.array([0, 3, 4, 19, 22])
    block = take_rows(store(dense, tmp_path), rows)
    assert_canonical(block)
    np.testing.assert_array_equal(block.toarray(), dense[rows])


@pytest.mark.parametrize(
    "dtype", [np.bool_, np.int8, np.uint16, np.int32, np.int64, np.float16, np.float32, np.float64]
)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_every_number_format_is_read(dtype, form, dense):
    if dtype is np.float16 and form is not np.asarray:
        dtype = np.longdouble  # scipy has no sparse float16
    values = dense.astype(dtype)
    matrix = form(values)
    (_, _, block) = next(row_blocks(matrix, 100))
    assert block.dtype == np.float32
    np.testing.assert_array_equal(block.toarray(), values.astype(np.float32))
    assert matrix.dtype == dtype


@pytest.mark.parametrize("size", [5, 23])
def test_input_is_left_alone(size, dense):
    matrix = _disordered(dense)
    before = matrix.data.copy(), matrix.indices.copy(), matrix.indptr.copy()
    for _, _, block in row_blocks(matrix, size):
        block.data[:] = -1
    for now, then in zip((matrix.data, matrix.indices, matrix.indptr), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_canonical_input_is_not_shared(dense):
    matrix = sparse.csr_matrix(dense)
    (_, _, block) = next(row_blocks(matrix, 100))
    assert not np.shares_memory(block.data, matrix.data)
    assert not np.shares_memory(block.indices, matrix.indices)


@pytest.mark.parametrize("column", [-1, 10_000])
def test_indices_of_a_damaged_file_are_refused(column, dense, tmp_path):
    AnnData(sparse.csr_matrix(dense)).write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "r+") as file:
        file["X/indices"][3] = column
    damaged = ad.read_h5ad(tmp_path / "x.h5ad", backed="r")
    with pytest.raises(ValueError, match="The matrix is damaged: .*ind"):
        list(row_blocks(get_matrix(damaged), 5))


@pytest.mark.parametrize("size", [3, 100])
@pytest.mark.parametrize("rows", [range(23), range(4, 19), range(7, 7)])
@every_storage
def test_range_of_rows(store, rows, size, dense, tmp_path):
    blocks = list(row_blocks(store(dense, tmp_path), size, rows))
    assert [row for start, stop, _ in blocks for row in range(start, stop)] == list(rows)
    for start, stop, block in blocks:
        np.testing.assert_array_equal(block.toarray(), dense[start:stop])


def test_missing_values_are_kept():
    block = to_csr(np.array([[np.nan, 0.0, np.inf]]))
    assert block.nnz == 2


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_missing_values_are_zeros_where_the_settings_say_so(form):
    given = form(np.array([[np.nan, 0.0, np.inf, 3.0]]))
    with settings.override(nan="zero"):
        block = to_csr(given)
    np.testing.assert_array_equal(block.toarray(), [[0, 0, np.inf, 3]])
    assert block.nnz == 2
    assert np.isnan(given[0, 0])


@pytest.mark.parametrize("shape", [(0, 5), (4, 0)])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_empty_matrices(shape, form):
    blocks = list(row_blocks(form(np.zeros(shape, dtype=np.float32)), 3))
    assert sum(block.shape[0] for *_, block in blocks) == shape[0]


def test_blocks_of_nothing_are_refused(dense):
    with pytest.raises(ValueError, match="at least one row, not 0"):
        next(row_blocks(dense, 0))


@pytest.mark.parametrize("matrix", [[[1, 2]], "abc", {"a": 1}], ids=["list", "str", "dict"])
def test_unknown_matrices_are_refused(matrix):
    with pytest.raises(
        TypeError, match=r"Cannot read a matrix of type builtins\.\w+. Use a numpy array"
    ):
        next(row_blocks(matrix, 2))


@pytest.mark.parametrize(
    "rows",
    [slice(None, None, 2), np.array([20, 3, 3, 8, 0, 11]), np.arange(23) % 3 == 0],
    ids=["slice", "disordered", "mask"],
)
@pytest.mark.parametrize("columns", [slice(None), [1, 5, 2]], ids=["all", "some"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_view_of_a_backed_object_is_read_by_blocks(rows, columns, form, dense, tmp_path):
    AnnData(form(dense)).write_h5ad(tmp_path / "x.h5ad")
    view = ad.read_h5ad(tmp_path / "x.h5ad", backed="r")[rows, columns]
    expected = dense[rows][:, columns]
    matrix = get_matrix(view)
    for start, stop, block in row_blocks(matrix, 4):
        assert stop - start <= 4
        np.testing.assert_array_equal(block.toarray(), expected[start:stop])
    picked = take_rows(matrix, np.array([0, 5]))
    np.testing.assert_array_equal(picked.toarray(), expected[[0, 5]])


def test_dask_chunks_are_computed_once(dense):
    import dask.array as da

    seen = []

    def load(block, block_info=None):
        seen.append(block_info[0]["chunk-location"])
        return block

    matrix = da.from_array(dense, chunks=(6, -1)).map_blocks(load, dtype=np.float32, meta=dense[:0])
    list(row_blocks(matrix, 2))
    assert sorted(seen) == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_layer_is_given(dense):
    adata = AnnData(np.zeros_like(dense), layers={"spliced": dense})
    np.testing.assert_array_equal(get_matrix(adata, "spliced"), dense)
    np.testing.assert_array_equal(get_matrix(adata), 0 * dense)


def test_object_without_x_is_refused(dense):
    with pytest.raises(ValueError, match=r"no `adata.X`. Pass `layer=` as one of \['spliced'\]"):
        get_matrix(AnnData(None, layers={"spliced": dense}, shape=dense.shape))


@pytest.fixture
def mdata(dense) -> MuData:
    proteins = AnnData(dense[:, :3])
    proteins.var_names = ["CD3", "CD4", "CD8"]
    return MuData({"rna": AnnData(dense), "prot": proteins})


def test_modality_is_picked(mdata):
    assert modality(mdata) is mdata["rna"]
    assert modality(mdata, "prot") is mdata["prot"]
    assert modality(mdata["prot"]) is mdata["prot"]


def test_missing_modality_is_refused(mdata):
    with pytest.raises(ValueError, match=r"no modality 'atac'.*one of \['rna', 'prot'\]"):
        modality(mdata, "atac")
    del mdata.mod["rna"]
    with pytest.raises(ValueError, match=r"no modality 'rna'.*one of \['prot'\]"):
        modality(mdata)


def test_modality_of_an_anndata_is_refused(mdata):
    with pytest.raises(TypeError, match="`mod='rna'` picks a modality of a MuData"):
        modality(mdata["rna"], "rna")


def test_other_objects_are_refused(dense):
    with pytest.raises(TypeError, match="must be an AnnData or a MuData, not ndarray"):
        modality(dense)
