from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from scmmgpt_tl._results import Results, column_names, flat, target

pytestmark = [
    pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning"),
    pytest.mark.filterwarnings("ignore:From 0.4 .update:FutureWarning"),
]


def cells(names=("a", "b", "c", "d")) -> AnnData:
    return AnnData(
        sparse.random(len(names), 3, density=0.5, format="csr", rng=0, dtype=np.float32),
        obs=pd.DataFrame({"mine": [f"m{n}" for n in names]}, index=list(names)),
        uns={"mine": {"x": 1}},
    )


@pytest.fixture
def adata() -> AnnData:
    return cells()


def everything() -> Results:
    return Results(
        obs={
            "type": pd.Categorical(["T/NK", "B", None, "B"], categories=["B", "T/NK", "unknown"]),
            "score": np.array([0.1, 0.2, np.nan, 1.0]),
            "text": ["one", "two", None, "four"],
        },
        obsm={
            "X_scmm": np.arange(8.0).reshape(2, 4).T,
            "scores": pd.DataFrame(np.eye(4, 3), columns=["CD4+/CD8+", "CD4+|CD8+", "B"]),
        },
        uns={
            "type": {
                "params": flat(
                    {"model": "default", "threshold": 0.5, "batch_size": 3, "copy": False}
                ),
                "labels": pd.DataFrame({"name": ["T/NK", "B"], "cl_id": ["CL:1", None]}),
                "groups": pd.DataFrame(
                    {
                        "group": pd.Categorical(["0", "1", "2"]),
                        "n_cells": [2, 1, 1],
                        "support": [0.5, 1.0, np.nan],
                        "known": [True, False, True],
                    }
                ),
                "empty": pd.DataFrame({"name": pd.Series([], dtype=object)}),
                "genes": {"n_file": 3, "dropped": [], "source": "var_names"},
                "knots": np.array([0.0, 0.5]),
            }
        },
    )


def assert_everything(adata: AnnData) -> None:
    assert list(adata.obs["type"].cat.categories) == ["B", "T/NK", "unknown"]
    assert adata.obs["type"].isna().tolist() == [False, False, True, False]
    assert adata.obs["type"].tolist()[0] == "T/NK"
    assert adata.obs["score"].dtype == np.float32
    np.testing.assert_array_equal(adata.obs["score"], np.float32([0.1, 0.2, np.nan, 1.0]))
    assert adata.obs["text"].tolist() == ["one", "two", "", "four"]
    assert adata.obsm["X_scmm"].dtype == np.float32
    np.testing.assert_array_equal(adata.obsm["X_scmm"][:, 1], [4, 5, 6, 7])
    scores = adata.obsm["scores"]
    assert list(scores.columns) == ["CD4+|CD8+", "CD4+|CD8+ (2)", "B"]
    assert (scores.dtypes == np.float32).all()
    assert list(scores.index) == list(adata.obs_names)
    entry = adata.uns["type"]
    assert entry["params"] == {
        "model": "default",
        "threshold": 0.5,
        "batch_size": 3,
        "copy": False,
    }
    assert entry["labels"]["cl_id"].tolist() == ["CL:1", ""]
    assert entry["labels"]["name"].tolist() == ["T/NK", "B"]
    groups = entry["groups"]
    assert groups["n_cells"].tolist() == [2, 1, 1]
    assert groups["known"].tolist() == [True, False, True]
    assert groups["support"].dtype == np.float32
    assert groups["group"].dtype == "category"
    assert list(groups.index) == ["0", "1", "2"]
    assert entry["empty"].shape == (0, 1)
    assert entry["genes"]["source"] == "var_names"
    assert list(entry["genes"]["dropped"]) == []
    assert entry["knots"].tolist() == [0.0, 0.5]


def test_everything_is_written(adata):
    everything().write(adata)
    assert_everything(adata)
    assert adata.obsm["X_scmm"].flags.c_contiguous
    assert adata.obs["text"].dtype == object
    assert adata.obs["type"].cat.categories.dtype == object
    assert adata.uns["mine"] == {"x": 1}
    assert adata.obs["mine"].tolist() == ["ma", "mb", "mc", "md"]


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_round_trip(form, again, adata, tmp_path):
    everything().write(adata)
    for number in range(1 + again):
        path = tmp_path / f"x{number}.{form}"
        getattr(adata, f"write_{form}")(path)
        adata = getattr(ad, f"read_{form}")(path)
    assert_everything(adata)


@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_texts_that_all_differ_can_be_stored(form, adata, tmp_path):
    Results(obs={"text": pd.array(["a", "b", "c", "d"], dtype="string")}).write(adata)
    getattr(adata, f"write_{form}")(tmp_path / "x")
    assert adata.obs["text"].tolist() == ["a", "b", "c", "d"]


def test_cells_are_told_by_position_where_names_repeat():
    with pytest.warns(UserWarning, match="Observation names are not unique"):
        adata = cells(("a", "a", "b", "a"))
    everything().write(adata)
    assert_everything(adata)
    shuffled = pd.Series([1.0, 2, 3, 4], index=["b", "a", "a", "a"])
    Results(obs={"s": shuffled}).write(adata)
    assert adata.obs["s"].tolist() == [1, 2, 3, 4]


def test_results_do_not_share_memory(adata):
    vectors, score = np.ones((4, 2), dtype=np.float32), np.ones(4, dtype=np.float32)
    Results(obs={"s": score}, obsm={"v": vectors}, uns={"u": {"k": vectors}}).write(adata)
    vectors[:] = 0
    score[:] = 0
    assert adata.obs["s"].all()
    assert adata.obsm["v"].all()
    assert adata.uns["u"]["k"].all()


def test_second_run_replaces_the_first(adata):
    everything().write(adata)
    Results(obs={"type": pd.Categorical(["x"] * 4)}, uns={"type": {"params": {}}}).write(adata)
    assert adata.obs["type"].tolist() == ["x"] * 4
    assert list(adata.uns["type"]) == ["params"]
    assert "score" in adata.obs


def test_colours_go_where_categories_changed(adata):
    Results(obs={"type": pd.Categorical(["a", "b", "a", "b"])}).write(adata)
    adata.uns["type_colors"] = ["#000000", "#ffffff"]
    Results(obs={"type": pd.Categorical(["b", "b", "a", "b"])}).write(adata)
    assert "type_colors" in adata.uns
    Results(obs={"type": pd.Categorical(["c", "b", "c", "b"])}).write(adata)
    assert "type_colors" not in adata.uns


# Refusals: nothing is written


def snapshot(adata: AnnData) -> tuple:
    return (
        adata.obs.copy(),
        {key: np.array(value) for key, value in adata.obsm.items()},
        json.dumps(adata.uns, default=str),
        adata.is_view,
    )


def assert_unchanged(adata: AnnData, before: tuple) -> None:
    pd.testing.assert_frame_equal(adata.obs, before[0])
    assert {key: np.asarray(value).tolist() for key, value in adata.obsm.items()} == {
        key: value.tolist() for key, value in before[1].items()
    }
    assert json.dumps(adata.uns, default=str) == before[2]
    assert adata.is_view == before[3]


GOOD = {"good": np.ones(4)}
BAD = {
    "short column": (
        Results(obs={**GOOD, "x": [1.0]}),
        ValueError,
        r"`obs\['x'\]` must have 4 values, not 1",
    ),
    "whole numbers": (
        Results(obs={**GOOD, "x": np.arange(4)}),
        TypeError,
        r"`obs\['x'\]` must be categorical, float or str in one dimension, not int64",
    ),
    "switches": (
        Results(obs={**GOOD, "x": np.ones(4, dtype=bool)}),
        TypeError,
        r"must be categorical, float or str in one dimension, not bool",
    ),
    "mixture": (
        Results(obs={**GOOD, "x": np.array(["a", 1, "b", 2], dtype=object)}),
        TypeError,
        "not object",
    ),
    "two dimensions": (Results(obs={**GOOD, "x": np.ones((4, 2))}), TypeError, "in one dimension"),
    "number categories": (
        Results(obs={**GOOD, "x": pd.Categorical([1, 2, 1, 2])}),
        TypeError,
        r"categories of `obs\['x'\]` must be str, not \[1, 2\]",
    ),
    "slash": (
        Results(obs={**GOOD, "CD4+/CD8+": np.ones(4)}),
        ValueError,
        r"without '/', not 'CD4\+/CD8\+'",
    ),
    "slash in obsm": (
        Results(obs=GOOD, obsm={"a/b": np.ones((4, 1))}),
        ValueError,
        "without '/', not 'a/b'",
    ),
    "slash in uns": (Results(obs=GOOD, uns={"a/b": {}}), ValueError, "without '/', not 'a/b'"),
    "slash inside uns": (
        Results(obs=GOOD, uns={"u": {"G1/S": 1}}),
        ValueError,
        "without '/', not 'G1/S'",
    ),
    "slash in params": (
        Results(obs=GOOD, uns={"u": {"params": {"G1/S": 1}}}),
        ValueError,
        "without '/', not 'G1/S'",
    ),
    "number key": (Results(obs=GOOD, uns={"u": {1: 1}}), ValueError, "without '/', not 1"),
    "vector": (
        Results(obs=GOOD, obsm={"v": np.ones(4)}),
        ValueError,
        r"`obsm\['v'\]` must have 4 rows and two dimensions, not \(4,\)",
    ),
    "few rows": (
        Results(obs=GOOD, obsm={"v": np.ones((3, 2))}),
        ValueError,
        r"must have 4 rows and two dimensions, not \(3, 2\)",
    ),
    "number columns": (
        Results(obs=GOOD, obsm={"v": pd.DataFrame(np.ones((4, 2)))}),
        TypeError,
        r"columns of `obsm\['v'\]` must be str, not \[0, 1\]",
    ),
    "object in params": (
        Results(obs=GOOD, uns={"u": {"params": {"x": datetime.now(tz=UTC)}}}),
        TypeError,
        "Cannot store parameter 'x' of type datetime",
    ),
    "repeated columns": (
        Results(obs=GOOD, uns={"u": {"t": pd.DataFrame([[1, 2]], columns=["a", "a"])}}),
        ValueError,
        r"columns of `uns\['u'\]\['t'\]` must be unique",
    ),
    "list cells": (
        Results(obs=GOOD, uns={"u": {"t": pd.DataFrame({"a": [["x"], ["y"]]})}}),
        TypeError,
        r"`uns\['u'\]\['t'\]\['a'\]` must be",
    ),
}


@pytest.mark.parametrize(("results", "error", "message"), BAD.values(), ids=BAD.keys())
def test_unfit_results_are_refused_whole(results, error, message, adata):
    before = snapshot(adata)
    with pytest.raises(error, match=message):
        results.write(adata)
    assert_unchanged(adata, before)


class Full(dict):
    """A mapping whose `left`-th write fails."""

    left = 0

    def __setitem__(self, key, value):
        self.left -= 1
        if self.left == 0:
            msg = "no space left"
            raise OSError(msg)
        super().__setitem__(key, value)


@pytest.mark.parametrize("left", [1, 2, 3])
@pytest.mark.parametrize("before", [Results(), everything()], ids=["first run", "second run"])
def test_failure_while_writing_is_undone(left, before, adata):
    before.write(adata)
    adata.uns["type_colors"] = ["#000000"]
    adata.uns = Full(adata.uns)
    state = snapshot(adata)
    adata.uns.left = left
    results = Results(
        obs={"type": pd.Categorical(["x"] * 4), "new": np.ones(4)},
        obsm={"X_scmm": np.zeros((4, 2)), "new": np.ones((4, 1))},
        uns={"type": {"a": 1}, "new": {"b": 2}, "newer": {"c": 3}},
    )
    with pytest.raises(OSError, match="no space left"):
        results.write(adata)
    assert_unchanged(adata, state)
    results.write(adata)
    assert adata.uns["newer"] == {"c": 3}


# Views, copies, backed objects, modalities


def test_view_becomes_actual_with_one_warning(adata, recwarn):
    view = adata[[2, 0]]
    Results(obs={"s": np.array([2.0, 0.0])}, obsm={"v": np.ones((2, 1))}, uns={"u": {}}).write(view)
    assert [str(w.message) for w in recwarn] == [
        "Received a view of an AnnData: making it an actual copy to hold the results."
    ]
    assert not view.is_view
    assert view.obs["s"].tolist() == [2, 0]
    assert list(view.obs_names) == ["c", "a"]
    assert "s" not in adata.obs


def test_target_is_the_object_itself_or_a_copy(adata):
    assert target(adata) == (adata, adata)
    copied, same = target(adata, copy=True)
    assert copied is same
    assert copied is not adata


def test_copy_of_a_view_is_actual(adata, recwarn):
    _, copied = target(adata[:2], copy=True)
    Results(obs={"s": np.ones(2)}).write(copied)
    assert not recwarn
    assert "s" not in adata.obs


def test_backed_objects(adata, tmp_path):
    adata.write_h5ad(tmp_path / "x.h5ad")
    backed = ad.read_h5ad(tmp_path / "x.h5ad", backed="r")
    with pytest.raises(ValueError, match=r"`copy=True` would load a backed object .*to_memory"):
        target(backed, copy=True)
    with pytest.raises(ValueError, match=r"view of a backed object. Pass `adata.to_memory\(\)`"):
        target(backed[:2])
    _, same = target(backed)
    everything().write(same)
    assert_everything(backed)
    assert backed.isbacked


@pytest.fixture
def mdata(adata) -> MuData:
    proteins = AnnData(np.ones((4, 2)), obs=pd.DataFrame(index=adata.obs_names))
    proteins.var_names = ["p1", "p2"]
    return MuData({"rna": adata, "prot": proteins})


def test_results_land_in_the_modality(mdata):
    whole, rna = target(mdata)
    assert whole is mdata
    everything().write(rna)
    assert_everything(mdata["rna"])
    assert "type" not in mdata["prot"].obs
    assert "type" not in mdata.obs


def test_copy_of_a_mudata(mdata):
    whole, proteins = target(mdata, copy=True, mod="prot")
    Results(obs={"s": np.ones(4)}).write(proteins)
    assert whole is not mdata
    assert whole["prot"].obs["s"].tolist() == [1] * 4
    assert "s" not in mdata["prot"].obs


def test_view_of_a_mudata(mdata):
    view = mdata[["a", "c"]]
    _, rna = target(view)
    with pytest.warns(UserWarning, match="Received a view of an AnnData"):
        Results(obs={"s": np.array([1.0, 2.0])}).write(rna)
    assert view["rna"].obs["s"].tolist() == [1, 2]
    assert "s" not in mdata["rna"].obs


def test_modality_that_is_not_there(mdata):
    with pytest.raises(ValueError, match="no modality 'atac'"):
        target(mdata, mod="atac")


# Small helpers


def test_column_names():
    assert column_names(["a/b", "a|b", "a/b", "c"]) == ["a|b", "a|b (2)", "a|b (3)", "c"]
    assert column_names([]) == []


def test_flat():
    values = {
        "s": np.str_("x"),
        "i": np.int64(3),
        "f": np.float32(0.5),
        "b": np.bool_(True),
        "none": None,
        "path": Path("a") / "b",
        "tuple": ("x", 1),
        "set": {"b", "a"},
        "array": np.array(["x", "y"]),
        "index": pd.Index(["x"]),
        "labels": {"CD4+/CD8+": "both"},
    }
    stored = flat(values)
    assert stored == {
        "s": "x",
        "i": 3,
        "f": 0.5,
        "b": True,
        "path": str(Path("a") / "b"),
        "tuple": ["x", "1"],
        "set": ["a", "b"],
        "array": ["x", "y"],
        "index": ["x"],
        "labels": '{"CD4+/CD8+": "both"}',
    }
    assert [type(stored[key]) for key in ("s", "i", "f", "b")] == [str, int, float, bool]


@pytest.mark.parametrize(
    "value",
    [object(), np.ones((2, 2)).dtype, b"bytes"],
    ids=["object", "dtype", "bytes"],
)
def test_flat_refuses_what_cannot_be_stored(value):
    with pytest.raises(TypeError, match="Cannot store parameter 'x' of type"):
        flat({"x": value})


def test_finished_is_logged(adata):
    before = sc.settings.verbosity, sc.settings.logfile
    sc.settings.verbosity, sc.settings.logfile = 3, io.StringIO()
    try:
        start = sc.logging.info("doing it")
        everything().write(adata, start=start)
        logged = sc.settings.logfile.getvalue()
    finally:
        sc.settings.verbosity, sc.settings.logfile = before
    assert "finished: added" in logged
    assert "(0:00:0" in logged
    assert "'X_scmm' (adata.obsm)" in logged
    assert "'score' (adata.obs)" in logged
