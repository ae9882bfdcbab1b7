"""What holds for every tool."""

from __future__ import annotations

import re
from contextlib import nullcontext
from io import StringIO

import numpy as np
import pytest
import scanpy as sc
from anndata import AnnData, read_h5ad
from scipy.sparse import csc_matrix, csr_matrix

import scmmgpt_tl as scmm
from scmmgpt_tl.pp._orthologs import read_orthologs

from .conftest import assert_same


@pytest.fixture
def done(poor_adata, tool):
    tool(poor_adata)
    return poor_adata


def test_returns_nothing_and_touches_documented_slots_only(poor_adata, tool):
    before = poor_adata.copy()
    assert tool(poor_adata) is None
    assert (poor_adata.X != before.X).nnz == 0
    assert poor_adata.var.equals(before.var)
    assert poor_adata.obs[list(before.obs)].equals(before.obs)
    assert list(poor_adata.layers) == list(before.layers)
    assert all(key.startswith(("scmm_", "X_scmm", "X_umap")) for key in poor_adata.obsm)
    assert all(key.startswith(("scmm_", "X_scmm")) for key in poor_adata.uns)


def test_copy(poor_adata, done, tool):
    before = poor_adata.copy()
    del before.uns, before.obsm
    before.obs = before.obs[["cluster"]]
    found = tool(before, copy=True)
    assert found is not before
    assert list(before.obs) == ["cluster"]
    assert not before.uns
    assert set(found.uns) == set(done.uns)


def test_params_say_how_to_repeat_the_call(done, tiny_model):
    (record,) = done.uns.values()
    params = record["params"]
    assert params["model"] == "tiny"
    assert params["revision"] == "r1"
    assert params["sha256"] == tiny_model.sha256
    assert {"version", "counts", "slot", "key_added"} <= set(params)


def test_mouse_genes_give_what_their_human_orthologs_give(poor_adata, tool):
    pairs = read_orthologs()
    of_human = dict(zip(pairs.human.symbols, pairs.mouse.symbols, strict=True))
    human = poor_adata[:, [name in of_human for name in poor_adata.var_names]].copy()
    mouse = human.copy()
    mouse.var_names = [of_human[name] for name in human.var_names]
    before = mouse.var.copy()
    tool(human)
    tool(mouse)
    assert mouse.var.equals(before)
    for column in human.obs:
        assert mouse.obs[column].equals(human.obs[column])
    for key in human.obsm:
        np.testing.assert_array_equal(np.asarray(mouse.obsm[key]), np.asarray(human.obsm[key]))
    (record,) = mouse.uns.values()
    assert record["params"]["species"] == "mouse"


def test_second_run_under_another_key_leaves_the_first(done, tool):
    before = done.copy()
    tool(done, key_added="second")
    assert set(before.obs) < set(done.obs) or set(before.uns) < set(done.uns)
    for column in before.obs:
        assert done.obs[column].equals(before.obs[column])
    for key in before.uns:
        _ = done.uns[key]
    trimmed = done.copy()
    for key in [key for key in done.obs if key.startswith("second")]:
        del trimmed.obs[key]
    for key in [key for key in done.obsm if key.startswith("second")]:
        del trimmed.obsm[key]
    del trimmed.uns["second"]
    assert_same(before, trimmed)


def test_everything_is_finite(done):
    for name in done.obs.select_dtypes("number"):
        assert np.isfinite(done.obs[name]).all()
    assert all(np.isfinite(np.asarray(value)).all() for value in done.obsm.values())


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batch_size_does_not_matter(poor_adata, sending_tool, batch_size):
    other = poor_adata.copy()
    sending_tool(poor_adata)
    sending_tool(other, batch_size=batch_size)
    assert_same(poor_adata, other, exact=False)


def test_order_does_not_matter(poor_adata, tool):
    shuffled = poor_adata[np.random.default_rng(0).permutation(60)].copy()
    tool(poor_adata)
    tool(shuffled)
    assert_same(poor_adata, shuffled[poor_adata.obs_names].copy(), exact=False)


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda x: x.toarray(), id="dense"),
        pytest.param(csc_matrix, id="csc"),
        pytest.param(lambda x: csr_matrix(x, dtype=np.int64), id="integers"),
        pytest.param(lambda x: np.asfortranarray(x.toarray().astype(np.float64)), id="fortran"),
    ],
)
def test_storage_does_not_matter(poor_adata, tool, convert):
    other = poor_adata.copy()
    other.X = convert(other.X)
    tool(poor_adata)
    tool(other)
    assert_same(poor_adata, other)


def test_backed_file(poor_adata, tool, tmp_path):
    poor_adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = read_h5ad(tmp_path / "cells.h5ad", backed="r")
    tool(backed)
    tool(poor_adata)
    assert_same(poor_adata, backed)
    with pytest.raises(ValueError, match="`copy=True` would load a backed object"):
        tool(backed, copy=True)
    backed.file.close()


def test_dask(poor_adata, tool):
    da = pytest.importorskip("dask.array")
    other = poor_adata.copy()
    other.X = da.from_array(other.X, chunks=(17, other.n_vars), asarray=False)
    tool(other)
    tool(poor_adata)
    assert_same(poor_adata, other, exact=False)
    assert hasattr(other.X, "dask")


def test_view(poor_adata, tool):
    part = poor_adata[:40].copy()
    tool(part)
    view = poor_adata[:40]
    with pytest.warns(UserWarning, match="Received a view"):
        tool(view)
    assert_same(part, view)


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
@pytest.mark.parametrize("file_format", ["h5ad", "zarr"])
def test_results_survive_a_file(done, tmp_path, file_format):
    import anndata

    path = tmp_path / f"cells.{file_format}"
    getattr(done, f"write_{file_format}")(path)
    assert_same(done, getattr(anndata, f"read_{file_format}")(path))


def test_modality(poor_adata, tool):
    mudata = pytest.importorskip("mudata")
    # Newer releases never pull.
    old = hasattr(mudata, "set_options")
    with mudata.set_options(pull_on_update=False) if old else nullcontext():
        cells = mudata.MuData({"rna": poor_adata.copy(), "other": AnnData(np.ones((60, 2)))})
        tool(cells)
        tool(poor_adata)
        assert_same(poor_adata, cells["rna"])
        assert not cells["other"].uns
        with pytest.raises(ValueError, match="no modality 'atac'"):
            tool(cells, mod="atac")


@pytest.mark.parametrize(
    ("value", "match"),
    [(-1.0, "negative"), (np.nan, "NaN|missing|not a number"), (np.inf, "infinite|Inf|NaN")],
)
def test_bad_values_leave_the_object_as_it_was(poor_adata, tool, value, match):
    poor_adata.X.data[-1] = value
    before = poor_adata.copy()
    with pytest.raises(ValueError, match=match):
        tool(poor_adata)
    assert_same(before, poor_adata)


@pytest.mark.parametrize("key", ["", "a/b"])
def test_keys_must_fit_a_file(counts_adata, tool, key):
    with pytest.raises(ValueError, match="`key_added` must be a non-empty string without '/'"):
        tool(counts_adata, key_added=key)


@pytest.fixture
def log():
    """What scanpy's logger says at its most talkative."""
    stream, before = StringIO(), (sc.settings.verbosity, sc.settings.logfile)
    sc.settings.verbosity, sc.settings.logfile = 3, stream
    yield stream
    sc.settings.verbosity, sc.settings.logfile = before


def test_messages(counts_adata, sending_tool, log):
    sending_tool(counts_adata)
    (key,) = counts_adata.uns
    assert "cells/s on cpu (float32" in log.getvalue()
    assert "finished" in log.getvalue()
    assert f"'{key}' (adata.uns)" in log.getvalue()


def test_empty_cells_are_counted(poor_adata, tool, log):
    tool(poor_adata)
    # A comparison reads the cells of two groups only.
    said = r"1 of (60|40) cells have no counts of any gene that the model knows"
    assert re.search(said, log.getvalue())


def test_model_by_path(counts_adata, tiny_bundle):
    scmm.tl.embed(counts_adata, model=tiny_bundle)
    again = counts_adata.copy()
    scmm.tl.embed(again, model=str(tiny_bundle))
    assert_same(counts_adata, again)
    assert counts_adata.uns["X_scmm"]["params"]["model"] == "tiny"
