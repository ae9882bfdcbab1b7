"""The benchmark from end to end, at tiny sizes."""

from __future__ import annotations

import annotate
import numpy as np
import pandas as pd
import pytest
from _data import Study
from _material import Training
from _methods import Answers
from _page import write_section
from _score import score_study

from scmmgpt_tl.model.genes import GeneTable

T_CELL, CD4, B_CELL = "CL:0000084", "CL:0000624", "CL:0000236"


@pytest.fixture
def rows() -> dict[str, dict]:
    """Scores of a study of four cells: one has no term, one is refused."""
    ids, labels = (B_CELL, T_CELL, ""), ("B", "T", "odd")
    study = Study(
        name="four",
        adata=None,
        n_labelled=4,
        counts="auto",
        labels=labels,
        cl_ids=ids,
        asked=labels,
        truth=np.array([0, 1, 1, 2]),
        made=np.full(4, ""),
    )
    answers = Answers(
        closed=np.array([[3, 2, 1], [1, 2, 3], [1, 3, 2], [1, 2, 3]], dtype=float),
        refused=np.array([False, False, True, False]),
        seconds=1.0,
        open_ids={"open": np.array([B_CELL, CD4, "", B_CELL])},
    )
    return {row["setting"]: row for row in score_study(study, answers, seed=0)}


def test_closed_counts_all_labels_and_refused_cells(rows):
    assert rows["closed"]["accuracy"] == 0.5
    assert rows["closed"]["unknown"] == 0.25


def test_labels_without_a_term_can_be_left_out(rows):
    row = rows["closed, with id"]
    assert (row["cells"], row["labels"]) == (3, 2)
    assert row["accuracy"] == pytest.approx(2 / 3)


def test_open_tells_the_same_term_from_a_consistent_one(rows):
    row = rows["open"]
    assert row["cells"] == 3
    assert row["accuracy"] == pytest.approx(1 / 3)
    assert row["consistent"] == pytest.approx(2 / 3)
    assert row["unknown"] == pytest.approx(1 / 3)
    assert row["answered_consistent"] == 1
    assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]


@pytest.fixture
def training(counts_adata, tiny_bundle, bench_folder):
    """Training cells of two types, which are cells of the data set."""
    genes = GeneTable.read(tiny_bundle / "genes.tsv")
    cells = counts_adata[:40, list(genes.symbols)].X
    Training(cells, np.repeat([0, 1], 20), (T_CELL, B_CELL), genes).save(
        bench_folder / "out" / "training_cells"
    )
    return bench_folder


def test_methods_run_and_leave_table_page_and_pictures(training, options, sentences_folder, capsys):
    methods = ["scmmgpt", "knn", "sentences"]
    annotate.main(
        [*options, "--sentences", str(sentences_folder), "--reuse", "--methods", *methods]
    )
    found = pd.read_csv(training / "out" / "annotate.csv")
    by_way = found.set_index(["method", "setting"])
    # Two of three labels have a term, and the neighbours are these very cells.
    assert by_way.loc[("knn", "closed"), "accuracy"] == pytest.approx(2 / 3)
    assert by_way.loc[("knn", "open"), "ontology_f1"] == 1
    assert {"closed", "closed, with id", "open", "deepest"} == set(by_way.loc["scmmgpt"].index)
    assert (found["peak_mib"] > 50).all()
    assert (found["cells_per_second"] > 0).all()
    opened = found[found["setting"] == "open"].set_index("method")
    assert opened["auroc_empty"].between(0, 1).all()
    assert opened["calibration_error"].isna().to_dict() == {
        "scmmgpt": False,
        "knn": False,
        "sentences": True,
    }
    page = (training / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "| tiny_study | 60 | 3 |" in page
    assert "old annotate" not in page
    assert "old retrieval" in page
    for name in (annotate.SCORES, annotate.CONFIDENCE):
        assert (training / "docs" / "_static" / name).stat().st_size > 10_000
    assert "macro-F1" in capsys.readouterr().out


def test_an_empty_folder_is_said_to_be_empty(tmp_path):
    with pytest.raises(SystemExit, match="There are no data sets in"):
        annotate.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")])


def test_a_page_without_its_markers_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the lines"):
        write_section(page, "annotate", ["new"])
    assert page.read_text(encoding="utf-8") == "mine"


def test_a_package_that_is_missing_is_named_before_anything_runs(options, monkeypatch):
    monkeypatch.setitem(annotate.PACKAGES, "knn", ("no-such-package",))
    with pytest.raises(SystemExit, match="no-such-package cannot be found"):
        annotate.main([*options, "--methods", "scmmgpt", "knn"])
