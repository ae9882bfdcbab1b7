from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import targets
from _confidence import GAPS


def annotation() -> pd.DataFrame:
    """Two data sets: ours is ahead by 0.4 on the first and 0.1 behind on the second."""
    closed = {"a": {"scmmgpt": 0.8, "knn": 0.4, "markers": 0.6}}
    closed["b"] = {"scmmgpt": 0.65, "knn": 0.75, "markers": 0.1}
    rows = [
        {"data_set": data_set, "method": method, "setting": setting, "macro_f1": f1}
        | dict.fromkeys(GAPS, 0.0)
        | {"auroc_unknown": 0.9}
        for data_set, scores in closed.items()
        for method, f1 in scores.items()
        for setting in ("closed", "open")
    ]
    found = pd.DataFrame(rows)
    # One data set is too sure, the other too unsure by as much: together they are calibrated.
    found["gap_03"] = np.where(found["data_set"] == "a", 0.2, -0.2)
    found["gap_05"] = np.where(found["setting"] == "open", 0.1, 0.04)
    return found


def test_errors_are_those_of_means_over_data_sets():
    found = {target.what: target for target in targets.of_annotation(annotation())}
    beside, markers = (
        next(t for w, t in found.items() if name in w) for name in ("kNN on PCA, the", "marker")
    )
    assert beside.reached == f"{0.275 / 0.425:.3f}"
    assert beside.met
    assert markers.reached == f"{0.275 / 0.65:.3f}"
    assert markers.met


def test_every_data_set_counts():
    found = list(targets.of_annotation(annotation()))
    ahead = next(t for t in found if t.what.startswith("data sets where"))
    worst = next(t for t in found if "worst data set (b)" in t.what)
    assert (ahead.reached, ahead.met) == ("1", False)
    assert (worst.reached, worst.met) == ("-0.100", False)


def test_confidence_is_that_of_all_data_sets_together():
    found = {t.what.rsplit(", ", 1)[-1]: t for t in targets.of_annotation(annotation())}
    assert (found["closed"].reached, found["closed"].met) == ("0.040", True)
    assert (found["open"].reached, found["open"].met) == ("0.100", False)
    assert found["AUROC of unknown"].met


def test_the_table_says_what_was_not_run(tmp_path, bench_folder, capsys):
    annotation().to_csv(tmp_path / "annotate.csv", index=False)
    ratio = pd.DataFrame(
        {
            "data_set": ["all", "all", "one", "one"],
            "method": ["scmmgpt", "markers"] * 2,
            "setting": "among",
            "accuracy": [0.9, 0.3, 0.2, 0.4],
        }
    )
    ratio.to_csv(tmp_path / "leave_types_out.csv", index=False)
    docs = str(bench_folder / "docs")
    targets.main(["--out", str(tmp_path), "--results", str(tmp_path), "--docs", docs])
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "| ≥ 2.000 | 3.000 | yes |" in page
    assert "* `retrieval.csv`" in page
    assert "annotate.csv`" not in page
    assert pd.read_csv(tmp_path / "targets.csv")["met"].sum() == 5
    assert "Wrote" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("read", "rows", "expected"),
    [
        (
            targets.of_retrieval,
            {"method": ["scmmgpt"] * 2, "direction": "to cell", "recall_5": [0.7, 1.0]},
            [("0.850", True)],
        ),
        (
            targets.of_descriptions,
            {"method": ["template", "scmmgpt"], "names_true": [1, 0.8], "nothing_false": [0, 1.0]},
            [("0.800", False), ("1.000", True)],
        ),
        (
            targets.of_generation,
            {"method": ["scmmgpt", "vae", "profile"], "knn_5": [0.5, 0.2, 0.6]},
            [("0.500", False)],
        ),
        (
            targets.of_cost,
            {"device": ["cpu"], "annotated": [1200.0], "peak_mib": [3000.0]},
            [("1,200", True), ("3,000", False)],
        ),
        (
            targets.of_growth,
            {"tool": ["annotate"] * 2 + ["embed"], "cells": [10_000, 1_000_000, 1_000_000]}
            | {"peak_mib": [1000.0, 1040.0, 9000.0]},
            [("1,040", True), ("1.040", True)],
        ),
        (
            targets.of_encoders,
            {"encoder": ["scgpt"] * 3 + ["scbert"], "expressed": [800] * 4}
            | {"way": ["original", "float32", "bfloat16", "float32"]}
            | {"cells_per_second": [1.0, 9.0, 7.0, 99.0]},
            [("9.000", True)],
        ),
        (
            targets.of_workers,
            {"tool": "embed", "round": [1, 1, 2, 2], "way": ["one worker", "two workers"] * 2}
            | {"seconds": [3.0, 2.0, 3.0, 1.5], "same": [True, True, True, False]},
            [("1.750", True), ("0.750", False)],
        ),
        (
            targets.of_bad_input,
            {"method": ["scmmgpt", "celltypist"], "kind": ["right", "silently wrong"]},
            [("0", True)],
        ),
        (
            targets.of_tokens,
            {"encoder": ["scgpt"] * 4 + ["geneformer"] * 2, "way": ["original", "ours"] * 3}
            | {"expressed": [800, 800, 1500, 1500, 800, 800]}
            | {"cells_per_second": [1.0, 10.0, 1.0, 8.5, 1.0, 2.0]},
            [("8.500", True), ("2.000", False)],
        ),
    ],
)
def test_other_results_are_read(read, rows, expected):
    found = list(read(pd.DataFrame(rows)))
    assert [(target.reached, target.met) for target in found] == expected
