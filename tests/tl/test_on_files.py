"""Tools on files say what they say of the same cells in memory."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import zarr
from anndata.io import write_elem
from scipy import sparse

import scmmgpt_tl as scmm
from scmmgpt_tl._stream import run_folder
from scmmgpt_tl._stream.run_folder import InUseError
from scmmgpt_tl.tl._on_files import results_path, run_on_file

from .conftest import assert_same, label_transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anndata import AnnData

pytestmark = pytest.mark.filterwarnings(
    "ignore:zarr v3 autosharding", "ignore:Writing zarr v2", "ignore:Consolidated metadata"
)

BY_CELL: dict[str, Callable[..., object]] = {
    "annotate": scmm.tl.annotate,
    "annotate-labels": lambda cells, **more: scmm.tl.annotate(cells, ["T cell", "B cell"], **more),
    "annotate-deepest": lambda cells, **more: scmm.tl.annotate(cells, level="deepest", **more),
    "embed": scmm.tl.embed,
    "search": lambda cells, **more: scmm.tl.search(cells, "T cell", **more),
    "score_gene_sets": lambda cells, **more: scmm.tl.score_gene_sets(
        cells, {"T": ["CD3D", "CD3E"], "B": {"MS4A1": 1, "CD3D": -1}}, **more
    ),
}

POOLED: dict[str, Callable[..., object]] = {
    "annotate": lambda cells, **more: scmm.tl.annotate(cells, None, "cluster", **more),
    "compare": lambda cells, **more: scmm.tl.compare(cells, "T", "B", groupby="cluster", **more),
    "deconvolve": lambda cells, **more: scmm.tl.deconvolve(cells, ["T cell", "B cell"], **more),
    "describe": lambda cells, **more: scmm.tl.describe(cells, "cluster", **more),
    "explain": lambda cells, **more: scmm.tl.explain(cells, key="mine", max_cells=3, **more),
    "explain-groups": lambda cells, **more: scmm.tl.explain(cells, "cluster", key="mine", **more),
    "explain_search": lambda cells, **more: scmm.tl.explain_search(cells, key="found", **more),
    "gene_network": lambda cells, **more: scmm.tl.gene_network(
        cells, "cluster", key="mine", max_cells=12, n_genes=8, n_edges=5, **more
    ),
    "integrate": lambda cells, **more: scmm.tl.integrate(cells, "cluster", **more),
    "integrate-annotated": lambda cells, **more: scmm.tl.integrate(
        cells, "cluster", key="mine", use_rep="X_umap", **more
    ),
    "label_transfer": label_transfer,
    "rank_terms": scmm.tl.rank_terms,
    "refine": lambda cells, **more: scmm.tl.refine(cells, key="mine", **more),
    "refine-known": lambda cells, **more: scmm.tl.refine(
        cells, key="mine", labels_key="cluster", use_rep="X_umap", **more
    ),
}


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty cells make four shards."""
    monkeypatch.setattr(run_folder, "SHARD_ROWS", 17)


@pytest.fixture(params=BY_CELL.values(), ids=BY_CELL.keys())
def by_cell(request: pytest.FixtureRequest, tiny_model):
    """Every tool that says of each cell what that cell is, with the tiny model."""
    return lambda cells, **more: request.param(cells, model=tiny_model, **more)


def _h5ad(adata: AnnData, folder: Path) -> Path:
    adata.write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


def _by_columns(adata: AnnData, folder: Path) -> Path:
    adata.X = sparse.csc_matrix(adata.X)
    return _h5ad(adata, folder)


def _dense(adata: AnnData, folder: Path) -> Path:
    adata.X = adata.X.toarray()
    return _h5ad(adata, folder)


def _in_a_layer(adata: AnnData, folder: Path) -> Path:
    adata.layers["counts"] = adata.X
    adata.X = adata.X * np.float32(0.5)
    return _h5ad(adata, folder)


def _zarr(version: int) -> Callable[[AnnData, Path], Path]:
    def store(adata: AnnData, folder: Path) -> Path:
        with ad.settings.override(zarr_write_format=version):
            adata.write_zarr(folder / "cells.zarr")
        return folder / "cells.zarr"

    return store


def _sharded(adata: AnnData, folder: Path) -> Path:
    group = zarr.open_group(folder / "cells.zarr", mode="w", zarr_format=3)
    write_elem(group, "/", adata)
    del group["X"]
    write_elem(group, "X", adata.X, dataset_kwargs={"chunks": (100,), "shards": (400,)})
    assert group["X"]["data"].shards == (400,)
    return folder / "cells.zarr"


def _h5mu(adata: AnnData, folder: Path) -> Path:
    mudata = pytest.importorskip("mudata")
    old = hasattr(mudata, "set_options")
    with mudata.set_options(pull_on_update=False) if old else nullcontext():
        other = ad.AnnData(np.ones((60, 2)), obs=pd.DataFrame(index=adata.obs_names))
        mudata.MuData({"rna": adata, "other": other}).write_h5mu(folder / "cells.h5mu")
    return folder / "cells.h5mu"


STORED = {
    "h5ad": _h5ad,
    "h5ad-csc": _by_columns,
    "h5ad-dense": _dense,
    "layer": _in_a_layer,
    "zarr-v2": _zarr(2),
    "zarr-v3": _zarr(3),
    "zarr-sharded": _sharded,
    "h5mu": _h5mu,
}


def everything_beside(path: Path) -> set[str]:
    """Names of what lies beside a file, but for the lock of the results."""
    return {entry.name for entry in path.parent.iterdir() if not entry.name.endswith(".lock")}


def found_in(adata: AnnData) -> AnnData:
    """What tools added to the sixty cells, without the cells."""
    obsm = {key: value for key, value in adata.obsm.items() if key != "X_umap"}
    return ad.AnnData(obs=adata.obs.drop(columns="cluster"), obsm=obsm, uns=adata.uns)


def test_every_tool_gives_what_it_gives_in_memory(poor_adata, by_cell, tmp_path):
    path = _h5ad(poor_adata, tmp_path)
    by_cell(poor_adata)
    assert by_cell(path) is None
    assert everything_beside(path) == {path.name, results_path(path).name}
    assert_same(found_in(poor_adata), ad.read_h5ad(results_path(path)), exact=False)


@pytest.fixture(params=POOLED)
def pooled(request: pytest.FixtureRequest, tiny_model):
    """Every tool that pools cells, with the tiny model, after the one that it goes on from."""

    def run(cells, **more):
        if request.param.startswith(("explain", "gene", "refine", "integrate-annotated")):
            names = ["T cell", "B cell", "monocyte"]
            scmm.tl.annotate(cells, names, threshold=0.0, key_added="mine", model=tiny_model)
        if request.param == "explain_search":
            scmm.tl.search(cells, "T cell of the blood", key_added="found", model=tiny_model)
        return POOLED[request.param](cells, model=tiny_model, **more)

    return run


@pytest.mark.filterwarnings("ignore:The Cell Ontology has no")
@pytest.mark.parametrize("store", ["h5ad", "zarr-v3", "h5mu"])
def test_tools_that_pool_give_what_they_give_in_memory(poor_adata, pooled, store, tmp_path):
    path = STORED[store](poor_adata, tmp_path)
    assert pooled(path) is None
    pooled(poor_adata)
    assert everything_beside(path) == {path.name, results_path(path).name}
    assert_same(found_in(poor_adata), ad.read_h5ad(results_path(path)), exact=False)


def test_earlier_results_are_taken_from_the_file_too(poor_adata, tiny_model, tmp_path):
    scmm.tl.annotate(poor_adata, model=tiny_model)
    path = _h5ad(poor_adata, tmp_path)
    found = scmm.tl.refine(path, model=tiny_model, copy=True)
    scmm.tl.refine(poor_adata, model=tiny_model)
    assert set(found.uns) == {"scmm_refined"}
    assert list(found.obs["scmm_refined"]) == list(poor_adata.obs["scmm_refined"])


def test_groups_may_be_what_a_tool_has_found(poor_adata, tiny_model, tmp_path):
    path = _h5ad(poor_adata, tmp_path)
    scmm.tl.annotate(path, model=tiny_model)
    scmm.tl.rank_terms(path, None, "scmm_cell_type", model=tiny_model)
    found = ad.read_h5ad(results_path(path))
    assert set(found.obs["scmm_cell_type"]) == set(scmm.get.rank_terms_df(found)["group"])


def test_scanvi_reads_the_genes_of_a_file(poor_adata, tiny_model, tmp_path, monkeypatch):
    """What scvi-tools is given is the same; it need not be installed for that."""
    given = []

    def train(cells, **_):
        given.append(cells)
        return None, np.zeros((cells.n_obs, 2), dtype=np.float32)

    replaced = {
        "open_scvi": lambda: None,
        "train_scanvi": train,
        "choose_seeds": lambda s: s.labels,
    }
    for name, stand_in in replaced.items():
        monkeypatch.setattr(f"scmmgpt_tl.tl._integrate.{name}", stand_in)
    path = _h5ad(poor_adata, tmp_path)
    for cells in (path, poor_adata):
        scmm.tl.integrate(cells, "cluster", method="scanvi", model=tiny_model)
    of_file, of_object = given
    pd.testing.assert_frame_equal(of_file.obs, of_object.obs)
    assert list(of_file.var_names) == list(of_object.var_names)
    assert (of_file.X != of_object.X).nnz == 0


UNREAD = {
    "finetune": lambda path: scmm.train.finetune(path, "cluster"),
    "perturbation": lambda path: scmm.train.perturbation(path, "cluster", "T"),
    "check_counts": scmm.pp.check_counts,
    "match_genes": scmm.pp.match_genes,
}


@pytest.mark.parametrize("tool", UNREAD.values(), ids=UNREAD.keys())
def test_what_takes_no_path_says_how_to_open_the_file(poor_adata, tool, tmp_path):
    with pytest.raises(TypeError, match=r"Open the file: `adata` may be `anndata.read_h5ad\(path"):
        tool(_h5ad(poor_adata, tmp_path))


@pytest.mark.parametrize("store", STORED.values(), ids=STORED.keys())
def test_every_storage_gives_what_it_gives_in_memory(poor_adata, tiny_model, store, tmp_path):
    path = store(poor_adata, tmp_path)
    found = scmm.tl.annotate(path, model=tiny_model, copy=True)
    scmm.tl.annotate(poor_adata, model=tiny_model)
    assert_same(found_in(poor_adata), found, exact=False)


def test_categories_come_in_the_same_order(poor_adata, tiny_model, tmp_path):
    path = _h5ad(poor_adata, tmp_path)
    found = scmm.tl.annotate(path, model=tiny_model, copy=True)
    scmm.tl.annotate(poor_adata, model=tiny_model)
    for column in ("scmm_cell_type", "scmm_cell_type_cl", "scmm_cell_type_reason"):
        assert list(found.obs[column].cat.categories) == list(poor_adata.obs[column].cat.categories)
    assert found.uns["scmm_cell_type"]["reasons"] == poor_adata.uns["scmm_cell_type"]["reasons"]


def test_the_file_is_only_read(counts_adata, by_cell, tmp_path):
    path = _h5ad(counts_adata, tmp_path)
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    path.chmod(0o400)
    by_cell(path)
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == stamp


def test_groups_are_pooled_over_the_whole_file(poor_adata, tiny_model, tmp_path):
    path = _h5ad(poor_adata, tmp_path)
    found = scmm.tl.annotate(path, None, "cluster", model=tiny_model, copy=True)
    scmm.tl.annotate(poor_adata, None, "cluster", model=tiny_model)
    assert_same(found_in(poor_adata), found, exact=False)
    with pytest.raises(ValueError, match=r"no column 'clusters' in `.obs`. Columns: \['cluster'"):
        scmm.tl.annotate(path, None, "clusters", model=tiny_model)


def test_log_normalised_file(counts_adata, tiny_model, tmp_path):
    import scanpy as sc

    sc.pp.normalize_total(counts_adata)
    sc.pp.log1p(counts_adata, base=2)
    path = _h5ad(counts_adata, tmp_path)
    found = scmm.tl.embed(path, model=tiny_model, counts="lognorm", copy=True)
    scmm.tl.embed(counts_adata, model=tiny_model, counts="lognorm")
    np.testing.assert_allclose(found.obsm["X_scmm"], counts_adata.obsm["X_scmm"], atol=1e-5)
    with pytest.raises(ValueError, match="X looks log-normalised"):
        scmm.tl.embed(path, model=tiny_model)


def test_the_file_is_judged_as_a_whole(counts_adata, tiny_model, tmp_path):
    """A shard may hold whole numbers only, where other cells of the file do not."""
    counts_adata.X[40:] *= np.float32(0.7)
    path = _h5ad(counts_adata, tmp_path)
    with pytest.warns(UserWarning, match="X holds linear values") as warned:
        found = scmm.tl.embed(path, model=tiny_model, copy=True)
    assert len(warned) == 1
    assert found.uns["X_scmm"]["params"]["values"] == "fractional"


def test_later_tools_add_to_the_results(poor_adata, tiny_model, tmp_path):
    path = _h5ad(poor_adata, tmp_path)
    first = scmm.tl.annotate(path, model=tiny_model, copy=True)
    scmm.tl.search(path, "T cell", model=tiny_model)
    scmm.tl.annotate(path, ["T cell", "B cell"], model=tiny_model, key_added="mine")
    found = scmm.tl.embed(path, model=tiny_model, copy=True)
    assert set(found.uns) == {"scmm_cell_type", "scmm_search", "mine", "X_scmm"}
    pd.testing.assert_frame_equal(found.obs[list(first.obs)], first.obs)
    again = scmm.tl.annotate(path, ["B cell", "T cell"], model=tiny_model, copy=True)
    assert list(again.obsm["scmm_cell_type_scores"]) == ["B cell", "T cell"]
    assert list(again.obs) != list(found.obs)
    assert set(again.obs) == set(found.obs)


def test_results_are_read_by_get_and_pl(poor_adata, tiny_model, tmp_path):
    import matplotlib as mpl

    mpl.use("agg")
    path = _h5ad(poor_adata, tmp_path)
    found = scmm.tl.annotate(path, model=tiny_model, copy=True)
    assert len(scmm.get.annotation_df(found)) == 60
    assert scmm.get.scores(found).shape == (60, 12)
    found.obsm["X_umap"] = np.random.default_rng(0).normal(size=(60, 2))
    assert scmm.pl.embedding(found, show=False) is not None


def test_list_of_paths(counts_adata, tiny_model, tmp_path):
    paths = []
    for name, rows in {"a": slice(30), "b": slice(30, 60)}.items():
        (tmp_path / name).mkdir()
        paths.append(_h5ad(counts_adata[rows].copy(), tmp_path / name))
    scmm.tl.embed([str(path) for path in paths], model=tiny_model)
    scmm.tl.embed(counts_adata, model=tiny_model)
    found = np.concatenate([ad.read_h5ad(results_path(p)).obsm["X_scmm"] for p in paths])
    np.testing.assert_allclose(found, counts_adata.obsm["X_scmm"], atol=1e-5)
    with pytest.raises(ValueError, match="`copy=True` returns one object"):
        scmm.tl.embed(paths, model=tiny_model, copy=True)


def test_results_of_other_cells_are_not_replaced(counts_adata, tiny_model, tmp_path):
    path = _h5ad(counts_adata, tmp_path)
    scmm.tl.search(path, "T cell", model=tiny_model)
    before = results_path(path).read_bytes()
    counts_adata[::-1].copy().write_h5ad(path)
    with pytest.raises(ValueError, match="holds results of other cells"):
        scmm.tl.embed(path, model=tiny_model)
    assert results_path(path).read_bytes() == before


def test_second_run_is_refused_and_spoils_nothing(counts_adata, tiny_model, tmp_path):
    path = _h5ad(counts_adata, tmp_path)
    options = {"model": tiny_model, "key_added": "X_scmm"}

    def embed(part, **more):
        # The first run holds the lock here, and has no shard yet.
        with pytest.raises(InUseError, match="Another process is working on 'cells.h5ad'"):
            run_on_file(embed, path, options)
        scmm.tl.embed(part, **more)

    found = ad.read_h5ad(run_on_file(embed, path, options))
    assert found.obsm["X_scmm"].shape[0] == 60


def test_groups_may_be_overwritten(counts_adata, tiny_model, tmp_path):
    path = _h5ad(counts_adata, tmp_path)
    more = {"groupby": "cluster", "key_added": "cluster", "model": tiny_model}
    found = scmm.tl.annotate(path, **more, copy=True)
    scmm.tl.annotate(counts_adata, **more)
    assert list(found.obs["cluster"]) == list(counts_adata.obs["cluster"])


def test_file_without_cells(counts_adata, by_cell, tmp_path):
    path = _h5ad(counts_adata[:0].copy(), tmp_path)
    assert by_cell(path, copy=True).n_obs == 0


def test_bad_files_leave_nothing(counts_adata, by_cell, tmp_path):
    counts_adata.X.data[-1] = np.nan
    path = _h5ad(counts_adata, tmp_path)
    with pytest.raises(ValueError, match="NaN"):
        by_cell(path)
    assert everything_beside(path) == {path.name}
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"Cannot read .* as h5ad"):
        by_cell(path)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        by_cell(tmp_path / "nowhere.zarr")
    with pytest.raises(ValueError, match="Unknown suffix '.loom'"):
        by_cell("cells.loom")


def test_bad_value_is_named_by_its_place_in_the_file(counts_adata, tiny_model, tmp_path):
    cells = ad.concat([counts_adata] * 10, index_unique="-")
    cells.var = counts_adata.var
    # One that the check of a sample misses.
    sampled = np.linspace(0, 599, 512).astype(int)
    bad = max(set(range(600)) - set(sampled))
    cells.X[bad, 7] = -1
    path = _h5ad(cells, tmp_path)
    with pytest.raises(ValueError, match=rf"in cell '{cells.obs_names[bad]}'") as error:
        scmm.tl.embed(path, model=tiny_model)
    assert "parts are kept in" in error.value.__notes__[0]


def test_modality(poor_adata, tiny_model, tmp_path):
    path = _h5mu(poor_adata, tmp_path)
    with pytest.raises(ValueError, match=r"no modality 'atac'. Pass `mod=` as one of \['"):
        scmm.tl.embed(path, model=tiny_model, mod="atac")
    with pytest.raises(TypeError, match=r"picks a modality of a .h5mu file"):
        scmm.tl.embed(_h5ad(poor_adata, tmp_path), model=tiny_model, mod="rna")


@pytest.mark.parametrize("key", ["", "a/b"])
def test_keys_must_fit_a_file(counts_adata, by_cell, tmp_path, key):
    with pytest.raises(ValueError, match="must be a non-empty string without '/'"):
        by_cell(_h5ad(counts_adata, tmp_path), key_added=key)
