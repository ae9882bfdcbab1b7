from __future__ import annotations

import explain
import numpy as np
import pandas as pd
import pytest
from _data import read_study
from scipy.sparse import csr_matrix

pytestmark = pytest.mark.filterwarnings("ignore:The Cell Ontology has no")


@pytest.fixture
def case(bench_folder, tiny_model):
    study = read_study(bench_folder / "data" / "tiny_study.h5ad", max_cells=12, seed=0)
    return explain.open_case(study, tiny_model)


def test_a_label_is_set_against_its_runner_up(case):
    p = case.score(case.rows)
    order = np.argsort(-p, axis=1)
    np.testing.assert_array_equal(case.sides[:, 0].argmax(1), order[:, 0])
    np.testing.assert_array_equal(case.sides[:, 1].argmax(1), order[:, 1])
    assert (case.sides.sum(axis=2) == 1).all()


def test_only_expressed_genes_are_ranked():
    rows = csr_matrix([[0.0, 2, 1, 0], [5, 0, 0, 1]])
    strength = np.array([[9.0, 1, 2, 9], [3, 9, 9, 3]])
    first, second = explain.rank_expressed(strength, rows)
    assert first.tolist() == [2, 1]
    assert second.tolist() == [0, 3]


def test_genes_are_taken_out(case):
    order = explain.rank_expressed(explain.by_expression(case, 0), case.rows)
    fall, flip = explain.remove(case, order)
    assert fall.shape == flip.shape == (12, len(explain.N_REMOVED))
    poorer = case.rows.toarray()
    poorer[0, order[0][:5]] = 0
    before, after = case.score(case.rows)[0], case.score(csr_matrix(poorer))[0]
    first, second = case.sides[0].argmax(1)
    expected = np.log(before[first] / before[second]) - np.log(after[first] / after[second])
    assert fall[0, 2] == pytest.approx(expected, abs=1e-4)
    assert flip[0, 2] == (after.argmax() != first)


def test_genes_that_explain_carry_more_than_random_ones(case):
    falls = {}
    for name in ("integrated", "left_out", "gradient", "random"):
        order = explain.rank_expressed(explain.METHODS[name](case, 0), case.rows)
        falls[name] = explain.remove(case, order)[0].mean()
    assert min(falls["integrated"], falls["left_out"], falls["gradient"]) > falls["random"]


def test_run(bench_folder, options):
    methods = ["integrated", "gradient", "expressed", "random"]
    explain.main([*options, "--max-cells", "10", "--methods", *methods])
    rows = pd.read_csv(bench_folder / "out" / "explain.csv")
    assert len(rows) == 4 * 10
    assert set(rows["method"]) == set(methods)
    page = (bench_folder / "docs" / "benchmarks.md").read_text()
    assert "old explain" not in page
    assert "integrated gradients" in page
    assert (bench_folder / "docs" / "_static" / "benchmark_explain.png").is_file()
