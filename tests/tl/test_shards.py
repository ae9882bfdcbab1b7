"""Files read by workers end in the same file, byte by byte, whoever dies on the way."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl._stream import run_folder
from scmmgpt_tl._stream.run_folder import Manifest
from scmmgpt_tl.tl._on_files import results_path
from scmmgpt_tl.tl._workers import shards

if TYPE_CHECKING:
    from pathlib import Path

BY_CELL = {
    "annotate": scmm.tl.annotate,
    "annotate-deepest": lambda cells, **more: scmm.tl.annotate(cells, level="deepest", **more),
    "embed": scmm.tl.embed,
    "search": lambda cells, **more: scmm.tl.search(cells, "T cell", **more),
}


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    """Sixty cells make four shards."""
    monkeypatch.setattr(run_folder, "SHARD_ROWS", 17)


@pytest.fixture
def path(poor_adata, tmp_path) -> Path:
    poor_adata.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def alone(tool, path: Path, **more) -> bytes:
    """What a run without workers writes."""
    tool(path, **more)
    found = results_path(path).read_bytes()
    results_path(path).unlink()
    return found


@pytest.mark.parametrize("tool", BY_CELL.values(), ids=BY_CELL.keys())
def test_same_file_byte_by_byte(path, tiny_bundle, dask_client, tool):
    expected = alone(tool, path, model=tiny_bundle)
    found = tool(str(path), model=str(tiny_bundle), client=dask_client, copy=True)
    assert results_path(path).read_bytes() == expected
    assert found.n_obs == 60
    assert {p.name for p in path.parent.glob(".*")} == {".cells.scmm.h5ad.lock"}


def test_the_file_is_let_go(path, tiny_bundle, dask_client, counts_adata):
    scmm.tl.embed(path, model=tiny_bundle, client=dask_client)
    assert not shards._OPEN
    # HDF5 would refuse to write a file that is open elsewhere.
    counts_adata.write_h5ad(path)


def test_workers_go_on_with_what_was_done(path, tiny_bundle, dask_client, monkeypatch):
    expected = alone(scmm.tl.embed, path, model=tiny_bundle)
    do, done = run_folder.RunFolder.do, []

    def some(self, rows, work, **more):
        if rows.start == 34:
            raise KeyboardInterrupt
        do(self, rows, work, **more)

    monkeypatch.setattr(run_folder.RunFolder, "do", some)
    with pytest.raises(KeyboardInterrupt):
        scmm.tl.embed(path, model=tiny_bundle)

    def counted(self, rows, work, **more):
        do(self, rows, lambda asked: (done.append(asked.start), work(asked))[1], **more)

    monkeypatch.setattr(run_folder.RunFolder, "do", counted)
    scmm.tl.embed(path, model=tiny_bundle, client=dask_client)
    assert sorted(done) == [34, 51]
    assert results_path(path).read_bytes() == expected


def test_bad_calls_and_files_leave_nothing(path, tiny_bundle, dask_client, counts_adata):
    with pytest.raises(ValueError, match="`query` is empty"):
        scmm.tl.search(path, " ", model=tiny_bundle, client=dask_client)
    with pytest.raises(ValueError, match="one cell at a time, without `groupby`"):
        scmm.tl.annotate(path, None, "cluster", model=tiny_bundle, client=dask_client)
    counts_adata.X.data[-1] = np.nan
    counts_adata.write_h5ad(path)
    with pytest.raises(ValueError, match="NaN"):
        scmm.tl.embed(path, model=tiny_bundle, client=dask_client)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_a_worker_meets_is_told(counts_adata, tiny_bundle, dask_client, tmp_path):
    cells = ad.concat([counts_adata] * 10, index_unique="-")
    # One that the check of a sample misses.
    bad = max(set(range(600)) - set(np.linspace(0, 599, 512).astype(int)))
    cells.X[bad, 7] = -1
    cells.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(ValueError, match=rf"in cell '{cells.obs_names[bad]}'"):
        scmm.tl.embed(tmp_path / "cells.h5ad", model=tiny_bundle, client=dask_client)


def test_worker_that_does_not_see_the_file(path, tiny_bundle, dask_client):
    from scmmgpt_tl.tl._workers.workers import workers_of

    workers = workers_of(dask_client, tiny_bundle)
    agreed = workers.agree(scmm.load_model(tiny_bundle, device="cpu"))
    manifest = Manifest("embed", agreed, {"n_obs": 60}, {}, 17)
    work = shards._Work(
        "embed", path, {}, workers.model, path.parent / "elsewhere", manifest, "error"
    )
    task = dask_client.submit(shards._make_shard, range(17), work=work, pure=False)
    with pytest.raises(FileNotFoundError, match=r"The worker inproc.* does not see '.*elsewhere'"):
        task.result()


@pytest.mark.parametrize("kind", ["file", "array"])
def test_killed_worker_leaves_the_same_result(counts_adata, tiny_bundle, tmp_path, kind):
    """Kill -9 of a worker at work: its nanny starts another one, and Dask gives the work away."""
    distributed = pytest.importorskip("distributed")
    da = pytest.importorskip("dask.array")
    cells = ad.concat([counts_adata] * 40, index_unique="-")
    cells.var = counts_adata.var
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    expected = alone(scmm.tl.embed, path, model=tiny_bundle)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=None
    )
    with (
        cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        before = client.run(os.getpid)
        if kind == "file":
            run = pool.submit(scmm.tl.embed, path, model=tiny_bundle, client=client)
        else:
            cells.X = da.from_array(cells.X, chunks=(10, cells.n_vars), asarray=False)
            run = pool.submit(scmm.tl.embed, cells, model=tiny_bundle, client=client)
        _wait_until(lambda: _n_done(client) >= 5)
        os.kill(next(iter(before.values())), signal.SIGKILL)
        assert not run.done()
        run.result(timeout=600)
        _wait_until(lambda: len(client.run(os.getpid)) == 2)
        assert set(client.run(os.getpid).values()) != set(before.values())
    if kind == "file":
        assert results_path(path).read_bytes() == expected
    else:
        path.with_name("expected.h5ad").write_bytes(expected)
        found = ad.read_h5ad(path.with_name("expected.h5ad")).obsm["X_scmm"]
        np.testing.assert_allclose(cells.obsm["X_scmm"], found, rtol=0, atol=1e-5)


def _n_done(client) -> int:
    """How many shards or blocks have been finished; Dask drops what a name begins with."""

    def count(dask_scheduler) -> int:
        found = [dask_scheduler.task_prefixes.get(name) for name in ("make_shard", "read_block")]
        return sum(prefix.state_counts["memory"] for prefix in found if prefix is not None)

    return int(client.run_on_scheduler(count))


def _wait_until(holds, *, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
