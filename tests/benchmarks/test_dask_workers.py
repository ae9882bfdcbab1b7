"""The benchmark of Dask workers, at a small size."""

from __future__ import annotations

import dask_workers
import pytest
from _page import markers

from scmmgpt_tl._stream import run_folder

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")


def test_ways_are_compared(tiny_bundle, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(run_folder, "SHARD_ROWS", run_folder.SHARD_ROWS)
    (tmp_path / "benchmarks.md").write_text("\n".join(markers("dask_workers")))
    words = ["--model", tiny_bundle, "--out", tmp_path / "out", "--docs", tmp_path]
    words += ["--max-cells", 40, "--shard-rows", 17, "--rounds", 1]
    dask_workers.main([str(word) for word in words])
    page = (tmp_path / "benchmarks.md").read_text()
    assert "40 cells in 3 shards" in page
    for way in dask_workers.WAYS:
        (line,) = [line for line in page.splitlines() if f"| {way} |" in line]
        assert line.endswith("| 1 of 1 |")
