"""The benchmark of files larger than memory, at a small size."""

from __future__ import annotations

import large_files
import pytest
from _page import markers

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")


def test_memory_and_kills_are_told(tiny_bundle, tmp_path):
    """Runs are killed for real; every result that was finished is the same, byte by byte."""
    (tmp_path / "benchmarks.md").write_text("\n".join(markers("large_files")))
    words = ["--model", tiny_bundle, "--out", tmp_path / "out", "--docs", tmp_path]
    words += ["--cells", 40, "--tools", "embed", "--kills", 4]
    large_files.main([str(word) for word in words])
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| embed | 40 | " in page
    assert "4 were killed" in page
    assert "Shards that were done and made again: 0; partial files to be seen: 0." in page
    said = page.split("points; ")[1].split(" results")[0]
    same, _, finished = said.partition(" of ")
    assert same == finished
    assert int(finished) >= 1


def test_cells_are_written_in_pieces(tmp_path, monkeypatch):
    from anndata import read_zarr

    monkeypatch.setattr(large_files, "AT_ONCE", 30)
    path = large_files.write_cells(tmp_path / "cells.zarr", 70, seed=0)
    found = read_zarr(path)
    assert found.shape[0] == 70
    assert found.obs_names.is_unique
    assert (found.X.sum(axis=1) > 0).all()


def test_genes_of_the_model_alone(tiny_bundle, tiny_model, tmp_path):
    from anndata import read_zarr

    given = large_files.read_arguments(["--model", str(tiny_bundle), "--own-genes"])
    genes = large_files.own_genes(given)
    found = read_zarr(large_files.write_cells(tmp_path / "cells.zarr", 7, seed=0, genes=genes))
    assert 0 < found.n_vars <= len(tiny_model.genes)
    assert set(found.var_names) <= set(tiny_model.genes.symbols)
