from __future__ import annotations

import label_transfer
import numpy as np
import pandas as pd
import pytest
from _data import read_study
from _transfer_methods import (
    by_components,
    by_genes,
    by_model,
    by_neighbours,
    components,
    read_pair,
)
from _transfer_report import mean_table

import scmmgpt_tl as scmm

T_CELL, CD4, B_CELL = "CL:0000084", "CL:0000624", "CL:0000236"
pytestmark = pytest.mark.filterwarnings("ignore:The Cell Ontology has no 'odd cell'")


@pytest.fixture
def pair(bench_folder, tiny_model):
    study = read_study(bench_folder / "data" / "tiny_study.h5ad", max_cells=100, seed=0)
    return read_pair(study.of(np.arange(0, 60, 2)), study.of(np.arange(1, 60, 2)), tiny_model)


@pytest.mark.parametrize("method", [by_genes, by_components])
def test_baselines_learn_from_the_reference(pair, method, tiny_model):
    found = method(pair, tiny_model)
    assert (found.code == pair.query.truth).mean() > 0.9
    assert found.certainty.shape == (30,)


def test_neighbours_are_surer_of_near_cells(pair, tiny_model):
    _, asked = components(pair)
    far = pair._replace(asked=np.concatenate([pair.asked, pair.asked[:1] + 50]))
    certainty = by_neighbours(far, tiny_model).certainty
    assert certainty.argmin() == len(asked)


def test_a_label_is_left_out(pair):
    less = pair.without(0)
    assert 0 not in less.reference.truth
    assert len(less.known) == len(less.reference.truth)
    assert less.reference.labels == pair.reference.labels


def test_the_tool_answers_in_the_labels_of_the_reference(pair, tiny_model):
    found = by_model(0.0)(pair, tiny_model)
    known = pair.reference.adata.copy()
    known.obs["type"] = known.obs["cell_type"].astype(str)
    own = scmm.tl.label_transfer(
        pair.query.adata, known, "type", text_weight=0.0, threshold=0.0, model=tiny_model, copy=True
    )
    names = np.array(pair.reference.labels)[found.code]
    same = names == own.obs["scmm_transferred"].astype(str)
    assert same[own.obs["scmm_transferred"].astype(str) != "unknown"].all()
    np.testing.assert_allclose(found.certainty, own.obs["scmm_transferred_score"], atol=1e-6)


def test_answers_above_or_below_are_right():
    truth, given = np.array([CD4, CD4, B_CELL, B_CELL]), np.array([T_CELL, B_CELL, B_CELL, ""])
    cells = np.array([True, True, True, False])
    row = label_transfer.score_labels(truth, given, cells, seed=0)
    assert row["accuracy"] == pytest.approx(2 / 3)
    assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]


def test_chances_are_held_against_what_was_right():
    row = label_transfer.score_chances(
        np.array([CD4, CD4, B_CELL, B_CELL]),
        np.array([T_CELL, B_CELL, B_CELL, ""]),
        np.array([1.0, 0.2, 0.8, 0.0]),
    )
    assert row["share_right"] == pytest.approx(0.5)
    assert row["mean_chance"] == pytest.approx(0.5)
    assert row["answered"] == pytest.approx(0.5)
    assert row["answered_right"] == 1
    assert row["calibration_error"] == pytest.approx(0.1)


def test_whole_run(options, bench_folder, monkeypatch):
    monkeypatch.setattr(label_transfer, "FEWEST", 2)
    methods = ["transfer", "genes"]
    pairs = ["--pairs", "tiny_study:tiny_study", "--within", "tiny_study"]
    label_transfer.main([*options, *pairs, "--methods", *methods])
    rows = pd.read_csv(bench_folder / "out" / "label_transfer.csv").fillna({"left_out": ""})
    whole = rows[rows["left_out"] == ""].set_index("method")
    assert list(whole.index) == methods
    # The odd cells have no id.
    assert (whole["cells"] == 40).all()
    page = (bench_folder / "docs" / "benchmarks.md").read_text()
    assert "| tiny_study → tiny_study | 40 | 2 |" in page
    halves = pd.read_csv(bench_folder / "out" / "label_transfer_within.csv")
    assert halves["method"].tolist() == methods
    # The odd cells have a label, too.
    assert halves[["cells", "labels"]].to_numpy().tolist() == [[30, 3]] * 2
    assert halves["same_label"][1] > 0.8
    assert f"| tiny_study | 30 | 3 | {halves['same_label'][0]:.3f} |" in page
    assert "old label_transfer" not in page
    assert "old refine" in page
    assert (bench_folder / "docs" / "_static" / label_transfer.PICTURE).stat().st_size > 5000


def test_data_that_is_not_there(options):
    with pytest.raises(SystemExit, match="There is no nothing.h5ad"):
        label_transfer.main([*options, "--pairs", "nothing:tiny_study", "--methods", "genes"])


def test_means_count_each_pair_the_same():
    rows = pd.DataFrame(
        {
            "data_set": ["a", "b", "a", "a", "b"],
            "method": ["genes"] * 5,
            "left_out": ["", "", "T", "B", "T"],
            "macro_f1": [0.5, 0.7, np.nan, np.nan, np.nan],
            "accuracy": [0.5, 0.6, np.nan, np.nan, np.nan],
            "auroc": [np.nan, np.nan, 0.8, 1.0, 0.5],
        }
    )
    line = mean_table(rows).splitlines()[2]
    assert line.startswith("| logistic regression on genes | **0.600** | 0.550 | 0.700 |")
