from __future__ import annotations

import deconvolve
import numpy as np
import pandas as pd
import pytest
from _spots import DEPTH, make_spots, score_shares
from scipy.sparse import csr_matrix

pytestmark = pytest.mark.filterwarnings("ignore:The Cell Ontology has no")


@pytest.fixture
def spots():
    """Each label has a gene of its own, with ten counts in each of its cells."""
    truth = np.repeat([0, 1, 3], 10)
    counts = np.zeros((30, 4))
    counts[np.arange(30), truth] = 10
    return make_spots(csr_matrix(counts), truth, n_labels=4, n_spots=50, seed=0)


def test_made_spots_are_what_they_say(spots):
    counts = spots.counts.toarray()
    np.testing.assert_allclose(counts / counts.sum(axis=1, keepdims=True), spots.shares)
    # None is made of a label without cells; spots hold 4 to 10 cells of 10 counts.
    assert (spots.shares[:, 2] == 0).all()
    assert 40 <= counts.sum(axis=1).min() < counts.sum(axis=1).max() <= 100


def test_regions_differ(spots):
    means = np.stack([spots.shares[i::3].mean(axis=0) for i in range(3)])
    assert np.abs(means[:, None] - means).max() > 0.1


def test_deep_spots_are_thinned():
    counts = csr_matrix(np.full((4, 3), 10_000))
    made = make_spots(counts, np.array([0, 0, 1, 1]), n_labels=2, n_spots=20, seed=1)
    assert made.counts.sum(axis=1).mean() == pytest.approx(DEPTH, rel=0.05)


def test_scores_of_shares():
    truth = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    right = score_shares(truth, 7 * truth)
    assert right == pytest.approx({"rmse": 0, "correlation": 1, "divergence": 0}, abs=1e-9)
    nothing = score_shares(truth, np.zeros_like(truth))
    assert nothing["correlation"] == 0
    # Halves against thirds, and one of three: computed by hand.
    assert nothing["rmse"] == pytest.approx(np.sqrt((1 / 36 * 2 + 1 / 9 + 2 / 9 + 4 / 9) / 6))
    wrong = score_shares(truth, np.array([[0, 0, 1.0], [1, 0, 0]]))
    assert wrong["divergence"] == pytest.approx(1)


def test_run(options, bench_folder, monkeypatch):
    pytest.importorskip("decoupler")
    monkeypatch.setattr(deconvolve, "FEWEST_CELLS", 10)
    markers = bench_folder / "markers.csv"
    pd.DataFrame(
        {
            "species": "Human",
            "marker_type": "positive",
            "cell_type_id": ["CL:0000084"] * 6 + ["CL:0000236"] * 6,
            "marker": [
                "CD3D",
                "CD3E",
                "CD2",
                "IL7R",
                "CD28",
                "TRAC",
                "CD79A",
                "CD79B",
                "MS4A1",
                "CD19",
                "BANK1",
                "CD22",
            ],
            "evidence_global": 1,
        }
    ).to_csv(markers, index=False)
    deconvolve.main(
        [
            *options,
            "--n-spots",
            "6",
            "--compositions",
            "2",
            "--markers",
            str(markers),
        ]
    )
    found = pd.read_csv(bench_folder / "out" / "deconvolve.csv")
    assert set(found["method"]) == set(deconvolve.NAMES)
    assert (found.groupby("method").size() == 2).all()
    own = found.groupby("method")["rmse"].mean()
    assert own["own"] < own["average"]
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "old deconvolve" not in page
    assert "deconvolve, from texts" in page


def test_small_data_sets_make_no_spots(options, bench_folder):
    from _data import read_study

    study = read_study(bench_folder / "data" / "tiny_study.h5ad", max_cells=60, seed=0)
    assert deconvolve.compare(study, None, deconvolve.read_arguments(options)) == []
