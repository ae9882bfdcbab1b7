from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import refine
from _data import read_study
from _score import CLOSED

import scmmgpt_tl as scmm

pytestmark = pytest.mark.filterwarnings("ignore:The Cell Ontology has no")


@pytest.fixture
def job(bench_folder, tiny_model):
    """The data set, annotated cell by cell."""
    study = read_study(bench_folder / "data" / "tiny_study.h5ad", max_cells=60, seed=0)
    annotated = refine.annotate(study, study.adata, model=tiny_model, key=refine.CELLS)
    return refine.Job(study, annotated, 1.0, tiny_model, refine.read_arguments(["--epochs", "40"]))


def test_answers_are_the_labels_of_the_study(job):
    answers = refine.by_cells(job)
    labels = job.annotated.obs["scmm_cell_type"].to_numpy(dtype=str)
    given = np.array(["B cell", "T cell", "odd cell"])
    # "odd cell" sorts last; every cell has one label, as no score is too low.
    np.testing.assert_array_equal(given[answers.closed.argmax(1)], labels)
    assert not answers.refused.any()
    np.testing.assert_array_equal(
        answers.certainty[CLOSED], job.annotated.obs["scmm_cell_type_score"].to_numpy(dtype=float)
    )


def test_cells_that_cannot_be_read_are_not_answered(job):
    adata = job.study.adata
    adata.X = adata.X.multiply(np.arange(60)[:, None] != 2).tocsr()
    annotated = refine.annotate(job.study, adata, model=job.model, key=refine.CELLS)
    answers = refine.read_answers(annotated, refine.CELLS, seconds=0.0)
    assert np.flatnonzero(answers.refused).tolist() == [2]


def test_refine_reads_the_annotation_that_was_there(job):
    own = scmm.tl.refine(job.annotated, model=job.model, threshold=0.0, copy=True)
    answers = refine.by_refining(job)
    np.testing.assert_array_equal(
        answers.certainty[CLOSED], own.obs["scmm_refined_score"].to_numpy(dtype=float)
    )
    assert "scmm_refined" not in job.annotated.obs


def test_a_cluster_has_one_label(job):
    pytest.importorskip("igraph")
    clusters = refine.find_clusters(job)
    answers = refine.by_clusters(job)
    labels = pd.Series(answers.closed.argmax(1)).groupby(clusters.to_numpy()).nunique()
    assert (labels == 1).all()
    # Three kinds of cells that differ in some genes each.
    assert 2 <= len(labels) < 20


def test_scanvi_learns_from_sure_cells(job, monkeypatch):
    pytest.importorskip("scvi")
    monkeypatch.setattr(refine, "SURE", float(job.annotated.obs["scmm_cell_type_score"].median()))
    answers = refine.by_scanvi(job)
    assert answers.closed.shape == (60, 3)
    assert (answers.closed.sum(1) == 1).all()
    assert len(set(answers.closed.argmax(1))) > 1


def test_scanvi_without_sure_cells_learns_nothing(job, monkeypatch):
    pytest.importorskip("scvi")
    monkeypatch.setattr(refine, "SURE", 1.1)
    np.testing.assert_array_equal(
        refine.by_scanvi(job).closed, refine.by_cells(job).closed.astype(float)
    )


def test_means_and_where_it_is_ahead():
    rows = pd.DataFrame(
        {
            "data_set": ["a", "a", "b", "b"],
            "method": ["cells", "refine"] * 2,
            "macro_f1": [0.5, 0.6, 0.7, 0.7],
            "accuracy": [0.5, 0.8, 0.6, 0.8],
            # One data set too sure, the other not sure enough: together they are neither.
            "gap_00": [0.1, 0.2, -0.1, 0.1],
            "calibration_error": [0.1, 0.2, 0.1, 0.1],
        }
    )
    lines = refine.mean_table(rows).splitlines()
    assert lines[2] == "| annotate, cell by cell | **0.600** | 0.550 |  | 0.000 | 0.100 |"
    assert lines[3] == "| refine | **0.650** | 0.800 | 1 of 2 | 0.150 | 0.150 |"


def test_whole_run(options, bench_folder, job):
    refine.main([*options, "--methods", "cells", "refine"])
    rows = pd.read_csv(bench_folder / "out" / "refine.csv").set_index("method")
    assert list(rows.index) == ["cells", "refine"]
    assert (rows["cells"] == 60).all()
    own = scmm.tl.refine(job.annotated, model=job.model, threshold=0.0, copy=True).obs
    for method, key in (("cells", "scmm_cell_type"), ("refine", "scmm_refined")):
        right = own[key].astype(str) == own["cell_type"].astype(str)
        assert rows.loc[method, "accuracy"] == pytest.approx(right.mean(), abs=1e-5)
    assert (rows["macro_f1_low"] <= rows["macro_f1"]).all()
    page = (bench_folder / "docs" / "benchmarks.md").read_text()
    assert "| tiny_study | 60 | 3 |" in page
    assert "old refine" not in page
    assert "old few_shot" in page
    assert (bench_folder / "docs" / "_static" / refine.PICTURE).stat().st_size > 5000
