from __future__ import annotations

import embedding
import numpy as np
import pandas as pd
import pytest
from _data import read_study
from _mixing import batches_of, score_batches, score_types


@pytest.fixture
def study(bench_folder):
    return read_study(bench_folder / "data" / "tiny_study.h5ad", max_cells=60, seed=0)


def test_batches_that_are_types_are_not_to_be_mixed(study):
    assert set(batches_of(study)) == {"one", "two"}
    study.adata.obs["batch"] = study.adata.obs["cell_type"]
    assert batches_of(study) is None
    study.adata.obs["donor"] = np.tile(["a", "b", "c"], 20)
    assert set(batches_of(study)) == {"a", "b", "c"}


def test_types_apart_and_batches_mixed_score_high():
    pytest.importorskip("scib_metrics")
    rng = np.random.default_rng(0)
    labels, batch = np.repeat(["a", "b", "c"], 40), np.tile(["x", "y"], 60)
    centres = np.repeat(rng.normal(size=(3, 5)) * 10, 40, axis=0)
    apart = centres + rng.normal(size=(120, 5))
    noise = rng.normal(size=(120, 5))
    split = apart + 30 * (batch == "x")[:, None]
    assert score_types(apart, labels)["ari"] == pytest.approx(1)
    assert score_types(noise, labels)["avg_bio"] < 0.5
    assert (
        score_batches(apart, labels, batch)["avg_batch"]
        > score_batches(split, labels, batch)["avg_batch"] + 0.2
    )


def test_embeddings_run(options, bench_folder):
    pytest.importorskip("scib_metrics")
    embedding.main([*options, "--methods", "scmmgpt", "pca"])
    found = pd.read_csv(bench_folder / "out" / "embedding.csv").set_index("method")
    assert (found["batches"] == 2).all()
    # Each cluster of the data set has markers of its own.
    assert found.loc["pca", "nmi"] > 0.8
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "old embedding" not in page
    assert "| tiny_study | 60 | 3 | 2 | PCA |" in page
