from __future__ import annotations

import pandas as pd
import pytest


def test_ways_are_timed_and_told(bench_folder):
    from encoders import main

    out, docs = bench_folder / "out", bench_folder / "docs"
    options = "--layers 2 --width 16 --genes 120 --cells 3 --rounds 1 --expressed 60"
    main([*options.split(), "--ways", "original", "float32", "--kinds", "geneformer",
          "--out", str(out), "--docs", str(docs)])  # fmt: skip
    rows = pd.read_csv(out / "encoders.csv")
    assert list(rows["way"]) == ["original", "float32"]
    assert (rows["seconds"] > 0).all()
    assert (rows["peak_mib"] > 50).all()
    assert rows["cosine"].to_numpy() == pytest.approx(1, abs=1e-5)
    page = (docs / "benchmarks.md").read_text(encoding="utf-8")
    assert "| Geneformer V1, 12 layers | 60 | 3 | plain transformers |" in page
    assert "old encoders" not in page


@pytest.mark.filterwarnings("ignore:scFoundation. these weights:UserWarning")
@pytest.mark.parametrize("kind", ["geneformer", "langcell", "scfoundation", "scbert"])
def test_folders_are_read_whole(tmp_path, kind):
    from encoders import KINDS

    from scmmgpt_tl.model.load import load_model

    KINDS[kind].write(tmp_path / kind, n_genes=50, n_layers=1, width=16)
    model = load_model(tmp_path / kind, device="cpu")
    assert (model.kind, len(model.genes)) == (kind, 50)
    assert model.facts.get("parts", "cell, rde, gene") == "cell, rde, gene"


def test_encoders_without_an_original(bench_folder):
    from encoders import main

    out, docs = bench_folder / "out", bench_folder / "docs"
    options = "--layers 1 --width 16 --genes 120 --rounds 1 --expressed 60"
    main([*options.split(), "--ways", "original", "float32", "--kinds", "scfoundation", "scbert",
          "--out", str(out), "--docs", str(docs)])  # fmt: skip
    rows = pd.read_csv(out / "encoders.csv")
    assert list(rows["encoder"]) == ["scfoundation", "scbert"]
    assert list(rows["way"]) == ["float32", "float32"]
    assert list(rows["cells"]) == [2, 1]
    assert "| scBERT | 60 | 1 | scmmgpt-tl, float32 |" in (docs / "benchmarks.md").read_text()


def test_folder_is_as_published(tmp_path):
    from _encoder_folders import write_cells, write_scgpt

    from scmmgpt_tl.model.load import load_model

    write_scgpt(tmp_path / "scgpt", n_genes=50, n_layers=1, width=16)
    model = load_model(tmp_path / "scgpt", device="cpu")
    assert len(model.genes) == 50
    write_cells(tmp_path / "cells.npz", n_cells=40, n_genes=5000, expressed=400, seed=0)
    from scipy.sparse import load_npz

    rows = load_npz(tmp_path / "cells.npz")
    assert rows.shape == (40, 5000)
    assert 300 < pd.Series(rows.getnnz(axis=1)).median() < 500
    assert rows.data.min() >= 1
