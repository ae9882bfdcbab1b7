from __future__ import annotations

import _compare_report
import compare
import numpy as np
import pandas as pd
import pytest


@pytest.mark.parametrize(
    ("topic", "sentence", "expected"),
    [
        ("types", 'B cell is commoner in "a" than in "b": 9% against 1%.', [("a", "B cell")]),
        ("types", 'B cell is rarer in "a" than in "b": 9% against 1%.', [("b", "B cell")]),
        ("types", 'Cell without a sure type is rarer in "a" than in "b": 0%.', []),
        ("ontology", "Both groups are mostly T cell.", [("a", "T cell"), ("b", "T cell")]),
        (
            "ontology",
            '"a" is mostly CD4-positive, alpha-beta T cell, "b" mostly B cell; the closest term.',
            [("a", "CD4-positive, alpha-beta T cell"), ("b", "B cell")],
        ),
        ("texts", '"B cell" fits "b" better than "a".', [("b", "B cell")]),
        (
            "markers",
            'Among the genes higher in "b" are 3 known markers of B cell: A, B, C.',
            [("b", "B cell")],
        ),
        ("genes", 'Higher in "a" than in "b": CD3D.', []),
    ],
)
def test_claims(topic, sentence, expected):
    assert _compare_report.claims(topic, sentence) == expected


def test_whole_run(options, bench_folder, counts_adata, monkeypatch):
    monkeypatch.setattr(compare, "FEWEST", 5)
    cells = counts_adata
    cells.obs["donor"] = np.tile([f"d{i}" for i in range(6)], 10)
    cells.obs["condition"] = np.tile(["control", "stimulated"], 30)
    cells.write_h5ad(bench_folder / "data" / "tiny_study.h5ad")
    names = [part for key in ("donors", "stimulus", "types") for part in (f"--{key}", "tiny_study")]
    more = ["--halves", "tiny_study", "--repeats", "2", "--group-cells", "10"]
    compare.main([*options, *names, *more])
    rows = pd.read_csv(bench_folder / "out" / "compare.csv")
    assert set(rows["question"]) >= {"halves", "donors, by cells", "donors, by donors", "stimulus"}
    assert not rows.loc[rows["question"] == "halves", "genes"].astype(bool).any()
    page = (bench_folder / "docs" / "benchmarks.md").read_text()
    assert "| random halves | 2 |" in page
    assert "old compare" not in page


def test_data_that_is_not_there(options):
    with pytest.raises(SystemExit, match="There is no nothing.h5ad"):
        compare.main([*options, "--halves", "nothing"])


def test_rates_have_intervals():
    assert _compare_report._rate(pd.Series([True, False, False, False])) == "0.250 (0.05–0.70)"
