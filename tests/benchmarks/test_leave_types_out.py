from __future__ import annotations

import leave_types_out
import numpy as np
import pandas as pd
import pytest

T_CELL, CD4, B_CELL, HEPATOCYTE = "CL:0000084", "CL:0000624", "CL:0000236", "CL:0000182"


def test_a_model_that_knows_a_kind_of_the_types_is_refused():
    with pytest.raises(SystemExit, match=r"has labels of these types: CL:0000624 \(CD4"):
        leave_types_out.check_types([T_CELL], [CD4, ""], allow=False)
    assert leave_types_out.check_types([T_CELL], [CD4], allow=True) == (T_CELL,)
    # What is above a type may be known.
    assert leave_types_out.check_types([CD4], [T_CELL], allow=False) == (CD4,)


def test_scores_count_the_best_label_and_those_behind_it():
    gallery = [T_CELL, B_CELL, HEPATOCYTE, "CL:0000576", "CL:0000235"]
    scores = np.array([[5, 4, 3, 2, 1], [5, 4, 3, 2, 1], [5, 4, 3, 2, 1]], dtype=float)
    truth = np.array([T_CELL, HEPATOCYTE, "CL:0000576"])
    found = leave_types_out.score_cells(scores, truth, gallery, seed=0)
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert (found["recall_3"], found["recall_5"]) == (pytest.approx(2 / 3), 1)
    assert found["macro_f1"] == pytest.approx((2 * 1 / (1 + 3)) / 3)


def test_left_out_types_run(options, bench_folder, sentences_folder):
    table = bench_folder / "markers.csv"
    rows = [
        ("Human", "positive", term, gene, 2)
        for term, genes in (
            (T_CELL, ("CD3D", "CD3E", "CD3G", "IL7R", "TRAC")),
            (B_CELL, ("MS4A1", "CD79A", "CD79B", "CD19", "CD74")),
        )
        for gene in genes
    ]
    columns = ["species", "marker_type", "cell_type_id", "marker", "evidence_global"]
    pd.DataFrame(rows, columns=columns).to_csv(table, index=False)
    extra = ["--sentences", str(sentences_folder), "--markers", str(table), "--allow-known"]
    leave_types_out.main([*options, *extra, "--types", T_CELL, B_CELL])
    found = pd.read_csv(bench_folder / "out" / "leave_types_out.csv")
    assert (found["cells"] == 40).all()
    assert set(found["method"]) == set(leave_types_out.NAMES)
    assert set(found["data_set"]) == {"all", "tiny_study"}
    by_way = found[found["data_set"] == "all"].set_index(["setting", "method"])
    # The data set's clusters express these very markers.
    assert by_way.loc[(leave_types_out.AMONG_TYPES, "markers"), "accuracy"] > 0.9
    assert by_way.loc[(leave_types_out.AMONG_TYPES, "chance"), "recall_3"] == 1
    assert by_way.loc[(leave_types_out.AMONG_ALL, "chance"), "accuracy"] < 0.5
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "The model was trained on some or all of these types." in page
    assert "old leave_types_out" not in page
    assert "| tiny_study | 40 |" in page


def test_types_that_no_cell_is_of_are_said_to_be_missing(options):
    with pytest.raises(SystemExit, match="None of the cells is of any of these types"):
        leave_types_out.main([*options, "--allow-known", "--types", HEPATOCYTE])
