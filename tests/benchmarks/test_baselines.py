from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from _data import Query
from _logistic import fit_logistic
from _markers import Markers, score_markers
from _material import Training, per_ten_thousand
from _nearest import fit_nearest
from _panel import log_cp10k, share_out, types_below
from _scanvi import DEPTH, counts_again, whole_numbers
from scipy.sparse import csr_matrix
from scipy.stats import linregress

from scmmgpt_tl.model.genes import GeneTable

NEEDED = {"celltypist": "celltypist", "scanvi": "scvi"}
T_CELL, CD4, CD8, B_CELL = "CL:0000084", "CL:0000624", "CL:0000625", "CL:0000236"
GENES = GeneTable(
    tuple(f"G{i}" for i in range(40)), tuple(f"E{i}" for i in range(40)), aliases=((),) * 40
)


@pytest.fixture
def counts() -> csr_matrix:
    """60 cells of two types: the first ten genes belong to one, the next ten to the other."""
    rate = np.ones((60, 40))
    rate[:30, :10] += 6
    rate[30:, 10:20] += 6
    return csr_matrix(np.random.default_rng(0).poisson(rate).astype(np.float32))


@pytest.fixture
def query(counts) -> Query:
    return Query(counts, np.arange(40) < 35)


def training(counts: csr_matrix) -> Training:
    total = np.asarray(counts.sum(axis=1))
    expression = csr_matrix(counts.multiply(1e4 / total), dtype=np.float32)
    return Training(expression, np.repeat([2, 0], 30), (B_CELL, CD8, CD4), GENES)


def test_unit_rows_go_back_to_counts_per_ten_thousand():
    counts = np.random.default_rng(0).poisson(0.5, size=(50, 300)).astype(float)
    expected = counts * 1e4 / counts.sum(1, keepdims=True)
    unit = np.log1p(expected)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    unit, expected = np.vstack([unit, np.zeros(300)]), np.vstack([expected, np.zeros(300)])
    found = per_ten_thousand(unit.astype(np.float32)).toarray()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_only_measured_genes_count_towards_the_ten_thousand(query):
    found = np.expm1(log_cp10k(query.counts, query.measured).toarray())
    assert not found[:, 35:].any()
    np.testing.assert_allclose(found.sum(1), 1e4, rtol=1e-4)


def test_logistic_regression_finds_the_type_and_ignores_types_it_never_saw(counts, query):
    fitted = fit_logistic(training(counts), query.measured, max_genes=25, max_iter=50)
    assert fitted.types == (B_CELL, CD4)
    assert len(fitted.columns) == 25
    assert set(range(20)) <= set(fitted.columns)
    assert np.array_equal(fitted.probabilities(query).argmax(1), np.repeat([1, 0], 30))


def fit_any(method, cells, measured, folder):
    match method:
        case "celltypist":
            from _celltypist import fit_celltypist

            return fit_celltypist(cells, measured, max_genes=25, max_iter=50)
        case "scanvi":
            from _scanvi import fit_scanvi

            return fit_scanvi(cells, folder=folder, max_genes=25, epochs=15, seed=0)
        case _:
            return fit_nearest(cells, measured, max_genes=25, seed=0)


@pytest.mark.parametrize("method", ["celltypist", "knn", "scanvi"])
def test_baselines_find_the_type(method, counts, query, tmp_path):
    if method in NEEDED and not find_spec(NEEDED[method]):
        pytest.skip(f"{NEEDED[method]} is not installed")
    fitted = fit_any(method, training(counts), query.measured, tmp_path)
    p = fitted.probabilities(query)
    assert p.shape == (60, 2)
    assert ((p >= 0) & (p <= 1)).all()
    truth = np.repeat([CD4, B_CELL], 30)
    assert (np.array(fitted.types)[p.argmax(1)] == truth).mean() > 0.9


def test_scanvi_is_trained_once_for_the_same_cells(counts, query, tmp_path, monkeypatch):
    if not find_spec("scvi"):
        pytest.skip("scvi is not installed")
    import _scanvi

    first = fit_any("scanvi", training(counts), query.measured, tmp_path)
    monkeypatch.setattr(_scanvi, "_train", None)
    again = fit_any("scanvi", training(counts), query.measured, tmp_path)
    assert again.folder == first.folder
    # The order in which a query is read differs.
    np.testing.assert_allclose(first.probabilities(query), again.probabilities(query), atol=0.01)
    with pytest.raises(TypeError):
        fit_any("scanvi", training(counts[::-1]), query.measured, tmp_path)


def test_with_labels_given_only_their_training_cells_vote(counts, query):
    fitted = fit_nearest(training(counts), query.measured, max_genes=25, seed=0)
    below = types_below(fitted.types, [T_CELL, ""])
    assert below == {CD4}
    assert fitted.among(below).types == (CD4,)
    assert (fitted.among(below).probabilities(query) == 1).all()


def test_drawn_cells_get_their_counts_back(counts):
    # A cell without any counts stays one.
    counts = csr_matrix(counts.multiply(np.arange(60)[:, None] > 0))
    counts.eliminate_zeros()
    total = np.maximum(np.asarray(counts.sum(axis=1)), 1)
    scaled = csr_matrix(counts.multiply(1e4 / total), dtype=np.float32)
    np.testing.assert_array_equal(counts_again(scaled).toarray(), counts.toarray())


def test_values_that_are_no_counts_become_some():
    counts = csr_matrix([[2.0, 0, 4]])
    assert whole_numbers(counts) is counts
    found = whole_numbers(csr_matrix([[0.5, 0, 1.0]])).toarray()
    np.testing.assert_array_equal(found, [[DEPTH / 3, 0, DEPTH * 2 / 3]])


def test_training_cells_survive_the_disk_and_another_gene_table(counts, tmp_path):
    cells = training(counts)
    cells.save(tmp_path / "cells")
    again = Training.load(tmp_path / "cells")
    assert (again.types, again.genes.symbols) == (cells.types, GENES.symbols)
    fewer = GeneTable(("G7", "NEW", "G0"), ("E7", "N", "E0"), aliases=((),) * 3)
    moved = again.over(fewer).expression.toarray()
    expected = cells.expression.toarray()
    np.testing.assert_array_equal(moved[:, [0, 2]], expected[:, [7, 0]])
    assert not moved[:, 1].any()


def test_a_class_counts_for_the_most_specific_label():
    p = np.array([[0.1, 0.2, 0.3, 0.4]])
    found = share_out(p, [T_CELL, CD4, CD8, B_CELL], [T_CELL, CD8, "", "CL:0000182"])
    np.testing.assert_allclose(found, [[0.1 + 0.2, 0.3, 0, 0]])


def test_two_labels_of_one_term_share_its_classes():
    found = share_out(np.array([[1.0]]), [CD4], [T_CELL, T_CELL])
    np.testing.assert_allclose(found, [[0.5, 0.5]])


@pytest.fixture
def markers() -> Markers:
    own = [(CD4, f"G{i}", i + 1) for i in range(10)] + [(B_CELL, f"G{i}", 1) for i in range(10, 20)]
    return Markers(
        pd.DataFrame(own, columns=["cell_type_id", "marker", "evidence"]),
    )


def test_a_term_has_the_markers_of_its_descendants_that_were_measured(markers):
    net = markers.network([T_CELL, CD8], [f"G{i}" for i in range(6)])
    assert set(net["source"]) == {T_CELL}
    assert dict(zip(net["target"], net["weight"], strict=True)) == {
        f"G{i}": i + 1 for i in range(6)
    }


def test_marker_scores_are_t_values_of_a_regression(markers, query):
    pytest.importorskip("decoupler")
    symbols = list(GENES.symbols[:35])
    net = markers.network([CD4, B_CELL], symbols)
    found = score_markers(query, [CD4, "", B_CELL], network=net, genes=GENES)
    weight = [i + 1 if i < 10 else 0 for i in range(35)]
    cell = log_cp10k(query.counts, query.measured)[4, :35].toarray().ravel()
    fit = linregress(weight, cell)
    assert found[4, 0] == pytest.approx(fit.slope / fit.stderr, rel=1e-3)
    assert np.isneginf(found[:, 1]).all()
    assert np.array_equal(found.argmax(1), np.repeat([0, 2], 30))


def test_without_any_markers_no_label_has_a_score(markers, query):
    net = markers.network(["CL:0000182"], GENES.symbols)
    assert np.isneginf(score_markers(query, ["CL:0000182"], network=net, genes=GENES)).all()
