"""The benchmark of bad input, at a small size and without others' packages."""

from __future__ import annotations

import anndata as ad
import bad_input
import numpy as np
import pytest
from _faults import CELL, FAULTS, lognorm
from _page import markers

BY_NAME = {fault.name: fault for fault in FAULTS}
GOOD = ["T cell"] * 10


def judged(name, **found):
    result = {"good": GOOD, "coverage": 1.0, "found": {name: {"warned": [], **found}}}
    return bad_input.judge(BY_NAME[name], result).kind


@pytest.mark.parametrize(
    ("fault", "found", "kind"),
    [
        ("one NaN", {"error": "ValueError: X holds 1 NaN"}, "error, named"),
        ("one NaN", {"error": "ValueError: Expected parameter loc"}, "error"),
        ("one NaN", {"labels": GOOD}, "silently wrong"),
        ("one NaN", {"labels": GOOD, "warned": ["There is a NaN."]}, "labels, told"),
        ("one NaN", {"labels": ["unknown"] * 10}, "right"),
        ("view", {"labels": GOOD}, "right"),
        ("view", {"labels": ["B cell", *GOOD[1:]]}, "silently wrong"),
        ("one cell without counts", {"labels": GOOD}, "silently wrong"),
        ("half of the genes", {"labels": ["B cell", *GOOD[1:]], "coverage": 0.5}, "labels, told"),
        ("half of the genes", {"labels": ["B cell", *GOOD[1:]], "coverage": 1.0}, "silently wrong"),
        ("one cell", {"labels": GOOD[:1]}, "right"),
        ("no cells", {"labels": []}, "right"),
    ],
)
def test_verdicts(fault, found, kind):
    assert judged(fault, **found) == kind


def test_an_empty_cell_must_be_unknown_and_the_others_as_before():
    labels = GOOD.copy()
    labels[CELL] = "unknown"
    assert judged("one cell without counts", labels=labels) == "right"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_faults_leave_what_they_are_made_of(counts_adata, fault, tmp_path):
    before = counts_adata.copy()
    for prepare in (ad.AnnData.copy, lognorm):
        made = fault.change(counts_adata, prepare, tmp_path)
        assert made is not counts_adata
        if made.isbacked:
            made.file.close()
    np.testing.assert_array_equal(counts_adata.X.toarray(), before.X.toarray())
    assert list(counts_adata.var_names) == list(before.var_names)


def test_page_with_the_tiny_model(bench_folder, tiny_bundle):
    (bench_folder / "docs" / "benchmarks.md").write_text("\n".join(markers("bad_input")))
    words = ["--data", bench_folder / "data", "--out", bench_folder / "out"]
    words += ["--docs", bench_folder / "docs", "--model", tiny_bundle, "--only", "tiny"]
    words += ["--methods", "scmmgpt"]
    bad_input.main([str(word) for word in words])
    page = (bench_folder / "docs" / "benchmarks.md").read_text()
    assert "| one NaN | error, named |" in page
    assert "| **silently wrong** | 0 |" in page
