from __future__ import annotations

from io import StringIO
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

import scmmgpt_tl as scmm
from scmmgpt_tl._input import n_genes, prepare
from scmmgpt_tl.model.genes import GeneTable

N_GENES = 60
TABLE = GeneTable(
    tuple(f"GENE{i}A" for i in range(N_GENES)),
    tuple(f"ENSG{i:011d}" for i in range(N_GENES)),
    tuple((f"OLD{i}",) for i in range(N_GENES)),
)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Variable names are not unique:UserWarning"),
    pytest.mark.filterwarnings("ignore:Observation names are not unique:UserWarning"),
    pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning"),
]


def file_names(rng: np.random.Generator) -> list[str]:
    """Names in disorder: symbols, aliases, ids, unknown ones, and repetitions."""
    names = [(f"GENE{i}A", f"OLD{i}", f"ENSG{i:011d}.4")[i % 3] for i in range(N_GENES - 10)]
    names += ["GENE0A", "OLD0", "OLD1", *(f"strange{i}" for i in range(20))]
    return [names[i] for i in rng.permutation(len(names))]


def expected(values: np.ndarray, names: list[str]) -> np.ndarray:
    """Counts over the model's genes, gene by gene."""
    result = np.zeros((len(values), N_GENES))
    for column, name in enumerate(names):
        if name.startswith("GENE"):
            result[:, int(name[4:-1])] += values[:, column]
        elif name.startswith("OLD"):
            result[:, int(name[3:])] += values[:, column]
        elif name.startswith("ENSG"):
            result[:, int(name[4:].split(".")[0])] += values[:, column]
    return result


@pytest.fixture
def names() -> list[str]:
    return file_names(np.random.default_rng(5))


@pytest.fixture
def counts(names) -> np.ndarray:
    return np.random.default_rng(6).poisson(0.8, size=(37, len(names))).astype(np.float32)


def cells(matrix, names, **more) -> AnnData:
    return AnnData(matrix, var=pd.DataFrame(index=names), **more)


def read(adata, **options) -> np.ndarray:
    return sparse.vstack(list(prepare(adata, genes=TABLE, **options).blocks())).toarray()


def test_genes_are_moved_and_added_up(counts, names):
    prepared = prepare(cells(counts, names), genes=TABLE, block_size=10)
    blocks = list(prepared.blocks())
    assert [block.shape for block in blocks] == [(10, N_GENES)] * 3 + [(7, N_GENES)]
    assert (prepared.n_obs, prepared.n_vars) == (37, N_GENES)
    np.testing.assert_array_equal(sparse.vstack(blocks).toarray(), expected(counts, names))


def test_blocks_are_canonical(counts, names):
    for block in prepare(cells(counts, names), genes=TABLE, block_size=10).blocks():
        assert isinstance(block, sparse.csr_matrix)
        assert block.dtype == np.float32
        assert (block.data > 0).all()
        for low, high in zip(block.indptr[:-1], block.indptr[1:], strict=True):
            assert (np.diff(block.indices[low:high]) > 0).all()


def test_blocks_can_be_read_again(counts, names):
    prepared = prepare(cells(counts, names), genes=TABLE)
    first, second = (sparse.vstack(list(prepared.blocks())).toarray() for _ in range(2))
    np.testing.assert_array_equal(first, second)


def _backed_h5ad(adata, path):
    adata.write_h5ad(path / "x.h5ad")
    return ad.read_h5ad(path / "x.h5ad", backed="r")


def _lazy_zarr(adata, path):
    import zarr

    adata.write_zarr(path / "x.zarr")
    store = zarr.open(str(path / "x.zarr"), mode="r")
    return AnnData(ad.io.sparse_dataset(store["X"]), var=adata.var)


def _dask(adata, path):
    import dask.array as da

    return AnnData(da.from_array(adata.X.toarray(), chunks=(8, 16)), var=adata.var)


STORED = {
    "csr": lambda adata, path: adata,
    "csc": lambda adata, path: AnnData(adata.X.tocsc(), var=adata.var),
    "dense": lambda adata, path: AnnData(adata.X.toarray(), var=adata.var),
    "csr array": lambda adata, path: AnnData(sparse.csr_array(adata.X), var=adata.var),
    "int64": lambda adata, path: AnnData(adata.X.astype(np.int64), var=adata.var),
    "float64": lambda adata, path: AnnData(adata.X.astype(np.float64), var=adata.var),
    "uint8": lambda adata, path: AnnData(adata.X.astype(np.uint8), var=adata.var),
    "view": lambda adata, path: ad.concat([adata, adata], index_unique="-")[: adata.n_obs],
    "backed": _backed_h5ad,
    "backed view": lambda adata, path: _backed_h5ad(
        ad.concat([adata, adata], index_unique="-"), path
    )[: adata.n_obs],
    "zarr": _lazy_zarr,
    "dask": _dask,
    "layer": lambda adata, path: AnnData(
        np.ones(adata.shape), var=adata.var, layers={"counts": adata.X}
    ),
}


@pytest.mark.parametrize("store", STORED.values(), ids=STORED.keys())
@pytest.mark.parametrize("block_size", [5, 2048])
def test_storage_does_not_matter(store, block_size, counts, tmp_path):
    names = [f"GENE{i}A" for i in range(N_GENES)][::-1]
    values = counts[:, :N_GENES]
    adata = store(cells(sparse.csr_matrix(values), names), tmp_path)
    np.testing.assert_array_equal(read(adata, block_size=block_size), values[:, ::-1])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_sparse_file_gives_the_same_as_gene_by_gene(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    names = file_names(rng)
    n_obs = data.draw(st.integers(0, 12))
    values = rng.poisson(data.draw(st.sampled_from([0, 0.1, 2])), size=(n_obs, len(names)))
    form = data.draw(
        st.sampled_from([np.asarray, np.asfortranarray, sparse.csr_matrix, sparse.csc_array])
    )
    dtype = data.draw(st.sampled_from([np.int16, np.int64, np.float32, np.float64]))
    adata = cells(form(values.astype(dtype)), names)
    prepared = prepare(adata, genes=TABLE, block_size=data.draw(st.integers(1, 13)))
    blocks = [block.toarray() for block in prepared.blocks()]
    read_back = np.vstack([np.zeros((0, N_GENES)), *blocks])
    np.testing.assert_array_equal(read_back, expected(values, names))


def test_stored_zeros_and_split_entries(names):
    matrix = sparse.csr_matrix((2, len(names)), dtype=np.float32)
    first, second = names.index("GENE0A"), names.index("OLD0")
    matrix.indptr = np.array([0, 4, 4])
    matrix.indices = np.array([second, first, first, names.index("OLD1")])
    matrix.data = np.array([1, 2, 3, 0], dtype=np.float32)
    block = next(prepare(cells(matrix, names), genes=TABLE).blocks())
    assert block.nnz == 1
    assert block[0, 0] == 6
    np.testing.assert_array_equal(matrix.data, [1, 2, 3, 0])


@pytest.mark.parametrize(("log", "base"), [(np.log1p, None), (lambda x: np.log2(1 + x), 2)])
def test_logs_are_undone_before_genes_are_added_up(log, base, counts, names):
    linear = 1e4 * counts / counts.sum(axis=1, keepdims=True)
    adata = cells(log(linear).astype(np.float32), names, uns={"log1p": {"base": base}})
    np.testing.assert_allclose(
        read(adata, counts="lognorm"), expected(linear, names), rtol=2e-5, atol=1e-3
    )


def test_genes_per_cell(counts, names):
    block = next(prepare(cells(counts, names), genes=TABLE).blocks())
    np.testing.assert_array_equal(n_genes(block), (expected(counts, names) > 0).sum(axis=1))


def test_cells_without_counts_stay(counts, names):
    counts[[0, 5]] = 0
    assert read(cells(counts, names)).shape == (37, N_GENES)
    assert not read(cells(counts, names))[[0, 5]].any()


def test_no_cells(names):
    prepared = prepare(cells(np.zeros((0, len(names)), dtype=np.float32), names), genes=TABLE)
    assert sum(block.shape[0] for block in prepared.blocks()) == 0


# More cells than are looked at beforehand, and some of those that are not.
MANY = 2000
UNSEEN = sorted(set(range(MANY)) - set(np.linspace(0, MANY - 1, 512).astype(int).tolist()))
EARLY, LATE = UNSEEN[0], UNSEEN[-1]


def many(names) -> AnnData:
    return cells(np.ones((MANY, len(names)), dtype=np.float32), names)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -2.0])
def test_wrong_value_outside_the_sample_is_named(value, names):
    adata = many(names)
    adata.X[EARLY, 3] = value
    prepared = prepare(adata, genes=TABLE, block_size=1000)
    where = f"for gene '{names[3]}' in cell '{EARLY}'"
    with pytest.raises(ValueError, match=f"X holds 1 negative, NaN or infinite .* {value} {where}"):
        list(prepared.blocks())


def test_wrong_value_in_a_later_block_is_named(names):
    adata = many(names)
    adata.X[LATE, 2] = np.nan
    blocks = prepare(adata, genes=TABLE, block_size=600).blocks()
    where = f"gene '{names[2]}' in cell '{LATE}'"
    with pytest.raises(ValueError, match=f"cells 1800 to 1999; .*{where}"):
        list(blocks)


def test_wrong_values_of_unknown_genes_count_too(names):
    adata = many(names)
    adata.X[EARLY, names.index("strange4")] = np.nan
    with pytest.raises(ValueError, match=f"for gene 'strange4' in cell '{EARLY}'"):
        list(prepare(adata, genes=TABLE).blocks())


def test_layer_and_column_are_passed_on(counts, names):
    adata = cells(
        np.log1p(counts), [f"g{i}" for i in range(len(names))], layers={"spliced": counts}
    )
    adata.var["mine"] = names
    prepared = prepare(adata, genes=TABLE, layer="spliced", gene_symbols="mine")
    assert prepared.count_report.layer == "spliced"
    assert prepared.gene_report.source == "mine"
    with pytest.raises(ValueError, match="X looks log-normalised"):
        prepare(adata, genes=TABLE, gene_symbols="mine")
    with pytest.raises(ValueError, match="genes are known to the model"):
        prepare(adata, genes=TABLE, layer="spliced")


def test_object_is_left_alone(counts, names):
    adata = cells(sparse.csr_matrix(counts), names)
    before = adata.copy()
    for block in prepare(adata, genes=TABLE).blocks():
        block.data[:] = 0
    np.testing.assert_array_equal(adata.X.toarray(), before.X.toarray())
    assert not {*adata.obs, *adata.obsm, *adata.uns}


@pytest.mark.filterwarnings("ignore:.*taken as linear:UserWarning")
@pytest.mark.parametrize("folder", ["dev", "train", "tasks"])
def test_real_files_are_read_and_mouse_is_told_from_human(folder, shared_data):
    from scmmgpt_tl.pp._genes import _default_genes

    for path in sorted((shared_data / folder).glob("*.h5ad")):
        adata = ad.read_h5ad(path, backed="r")
        prepared = prepare(adata, genes=_default_genes())
        mouse = adata.uns["organism"] == "Mus musculus"
        assert prepared.gene_report.species == ("mouse" if mouse else "human")
        assert prepared.count_report.kind in {"counts", "fractional"}
        assert sum(block.shape[0] for block in prepared.blocks()) == adata.n_obs


@pytest.fixture
def log():
    """What is told of what goes in."""
    stream, before = StringIO(), sc.settings.logfile
    sc.settings.logfile = stream
    yield stream
    sc.settings.logfile = before


def test_of_a_mouse_it_is_told_how_it_is_read(log):
    from scmmgpt_tl.pp._orthologs import read_orthologs

    pairs = read_orthologs()
    adata = cells(np.ones((2, 100), dtype=np.float32), list(pairs.mouse.symbols[1000:1100]))
    assert prepare(adata, genes=pairs.human).gene_report.n_covered == 100
    assert f"read as their human orthologs, 100 of the model's {len(pairs.human)}" in log.getvalue()
    assert "calibrated on human cells" in log.getvalue()


def test_some_cells_are_read_as_all_of_them_are(counts_adata, tiny_model):
    prepared = prepare(counts_adata, genes=tiny_model.genes)
    (whole,) = prepared.blocks()
    rows = np.array([3, 17, 58])
    assert (prepared.take(rows) != whole[rows]).nnz == 0
    counts_adata.X[17, counts_adata.X[17].indices[0]] = -1
    with pytest.raises(ValueError, match="in cell 'cell17'"):
        prepared.take(rows)


@pytest.mark.parametrize("look", [scmm.pp.check_counts, scmm.pp.match_genes, scmm.pp.neighborhoods])
@pytest.mark.parametrize("kind", [str, Path])
def test_functions_of_cells_say_that_a_path_must_be_opened(look, kind):
    with pytest.raises(TypeError, match=r"path 'cells.h5ad'. Open the file"):
        look(kind("cells.h5ad"))
