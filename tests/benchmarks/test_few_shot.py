from __future__ import annotations

import few_shot
import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:The Cell Ontology has no")


def test_cells_are_chosen_of_every_type():
    truth = np.array([0] * 10 + [1] * 3 + [2])
    shown = few_shot.choose(truth, 5, np.random.default_rng(0))
    assert np.bincount(truth[shown]).tolist() == [5, 1, 1]
    assert len(set(shown)) == len(shown)


def test_whole_run(options, bench_folder):
    chosen = ["--methods", "scmmgpt", "pca", "--cells", "2", "20", "--repeats", "2"]
    few_shot.main([*options, *chosen])
    rows = pd.read_csv(bench_folder / "out" / "few_shot.csv")
    assert len(rows) == 2 * 2 * 2
    best = rows[rows["cells"] == 20].groupby("method")["macro_f1"].mean()
    # Three clusters that differ in a few genes each; a third is chance.
    assert best["pca"] > 0.6
    assert best["scmmgpt"] > 0.45
    page = (bench_folder / "docs" / "benchmarks.md").read_text()
    assert "| tiny_study | 20 |" in page
    assert "old few_shot" not in page
    assert "old retrieval" in page
    assert (bench_folder / "docs" / "_static" / few_shot.PICTURE).stat().st_size > 5000


def test_scanvi_learns_from_some_labels(options, bench_folder):
    pytest.importorskip("scvi")
    chosen = ["--methods", "scanvi", "--cells", "20", "--repeats", "1", "--epochs", "40"]
    few_shot.main([*options, *chosen])
    rows = pd.read_csv(bench_folder / "out" / "few_shot.csv")
    assert rows["method"].tolist() == ["scanvi"]
    assert rows["macro_f1"].item() > 0.4
