"""Shards are put together as one would have written them at once."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from scmmgpt_tl._stream import join as module
from scmmgpt_tl._stream.cells import StoredCells
from scmmgpt_tl._stream.join import join, open_results, packed


@pytest.fixture
def found() -> AnnData:
    """Results of 25 cells."""
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(25)]
    obs = pd.DataFrame(
        {
            "label": pd.Categorical(np.array(["unknown", "T2", "T10", "B"] * 7)[:25]),
            "score": rng.random(25).astype(np.float32),
        },
        index=names,
    )
    obs["label"] = obs["label"].cat.set_categories(["B", "T2", "T10", "unknown"])
    scores = pd.DataFrame(rng.random((25, 5)).astype(np.float32), index=names, columns=[*"zyxwv"])
    obsm = {"scores": scores, "X_scmm": rng.random((25, 3)).astype(np.float32)}
    uns = {"label": {"params": {"model": "tiny"}, "reasons": {"ok": 25}}}
    return AnnData(obs=obs, obsm=obsm, uns=uns)


@pytest.fixture
def shards(found, tmp_path):
    """The results in three files, categories of their own in each."""
    (tmp_path / ".run").mkdir()
    paths = []
    for start in (0, 10, 20):
        part = found[start : start + 10].copy()
        part.obs["label"] = part.obs["label"].cat.remove_unused_categories()
        part.uns["label"]["reasons"] = {"ok": part.n_obs}
        paths.append(tmp_path / ".run" / f"{start}.h5ad")
        paths[-1].write_bytes(packed(part))
    return paths


@pytest.fixture
def names(found, tmp_path):
    found.write_h5ad(tmp_path / "cells.h5ad")
    cells = StoredCells(tmp_path / "cells.h5ad")
    yield cells.obs_names
    cells.close()


def test_whole_is_what_the_parts_are(found, shards, names, tmp_path):
    join(shards, tmp_path / "out.h5ad", names, room=tmp_path / ".run")
    back = ad.read_h5ad(tmp_path / "out.h5ad")
    pd.testing.assert_frame_equal(back.obs, found.obs)
    pd.testing.assert_frame_equal(back.obsm["scores"], found.obsm["scores"])
    np.testing.assert_array_equal(back.obsm["X_scmm"], found.obsm["X_scmm"])
    assert back.uns["label"]["params"] == {"model": "tiny"}
    assert back.uns["label"]["reasons"] == {"ok": 25}


def test_what_was_there_stays_unless_it_is_found_again(found, shards, names, tmp_path):
    before = found.copy()
    before.obs["score"] = np.float32(7)
    before.obs["mine"] = "x"
    before.obsm["X_umap"] = np.zeros((25, 2), dtype=np.float32)
    before.uns["mine"] = {"params": {"a": 1}}
    before.write_h5ad(tmp_path / "out.h5ad")
    join(shards, tmp_path / "out.h5ad", names, room=tmp_path / ".run")
    back = ad.read_h5ad(tmp_path / "out.h5ad")
    assert list(back.obs) == ["mine", "label", "score"]
    np.testing.assert_array_equal(back.obs["score"], found.obs["score"])
    assert set(back.obsm) == {"scores", "X_scmm", "X_umap"}
    assert set(back.uns) == {"label", "mine"}


def test_results_are_opened_without_their_frames(found, shards, names, tmp_path):
    join(shards, tmp_path / "out.h5ad", names, room=tmp_path / ".run")
    opened = open_results(tmp_path / "out.h5ad")
    assert list(opened.obsm) == ["X_scmm"]
    np.testing.assert_array_equal(opened.obsm["X_scmm"], found.obsm["X_scmm"])
    pd.testing.assert_frame_equal(opened.obs, found.obs)


def test_full_disk_is_told_before_anything_is_written(shards, names, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10})()
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"takes 0 MB, and 0 MB are free .* nothing is lost"):
        join(shards, tmp_path / "out.h5ad", names, room=tmp_path / ".run")
    assert not (tmp_path / "out.h5ad").exists()
