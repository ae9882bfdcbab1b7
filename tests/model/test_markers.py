from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scmmgpt_tl import ontology
from scmmgpt_tl._expression import log_expression
from scmmgpt_tl.model.markers import MOST, MarkerTable, evidence

GENES = tuple(f"G{i}" for i in range(120))
T_CELL, CD4, B_CELL = "CL:0000084", "CL:0000624", "CL:0000236"


@pytest.fixture
def table():
    sources = np.zeros((3, 120), dtype=np.float32)
    sources[0, :6], sources[1, 4:10], sources[2, 20:24] = 1, 2, 1
    contrast = np.zeros((3, 120), dtype=np.float32)
    contrast[2, 19:] = np.linspace(1, 5, 101)
    order = (B_CELL, T_CELL, CD4)
    rows = [2, 0, 1]  # B cell has four sources and many contrasts
    return MarkerTable(order, sparse.csr_matrix(sources[rows]), sparse.csr_matrix(contrast[rows]))


def weights(table, labels, *, measured=None, by_contrast=False):
    measured = np.ones(120, dtype=bool) if measured is None else measured
    found = table.weights(labels, measured, ontology=ontology.load(), by_contrast=by_contrast)
    return found.toarray()


def test_a_label_has_the_markers_of_all_below_it(table):
    found = weights(table, [T_CELL, CD4])
    assert found.shape == (120, 2)
    of_t = np.array([1, 1, 1, 1, 3, 3, 2, 2, 2, 2], dtype=float)
    np.testing.assert_allclose(found[:10, 0], of_t / np.linalg.norm(of_t), rtol=1e-6)
    assert not found[10:, 0].any()
    assert (found[:, 1] > 0).tolist() == [4 <= i < 10 for i in range(120)]


def test_few_markers_are_none(table):
    assert not weights(table, [B_CELL]).any()
    measured = np.arange(120) < 4
    assert not weights(table, [T_CELL], measured=measured).any()


def test_the_best_contrasts_join_where_they_are_wanted(table):
    found = weights(table, [B_CELL], by_contrast=True)[:, 0]
    assert (found > 0).sum() == MOST
    assert found[19] == 0
    assert found.argmax() == 119


def test_contrasts_are_left_out_beside_a_label_that_has_curated_markers_alone(table):
    both = weights(table, [B_CELL, T_CELL], by_contrast=True)
    np.testing.assert_array_equal(both, weights(table, [B_CELL, T_CELL]))
    # A label of which nothing is known keeps nobody from anything.
    found = weights(table, [B_CELL, "CL:0000182", ""], by_contrast=True)
    assert (found[:, 0] > 0).sum() == MOST


def test_labels_outside_the_ontology_have_none(table):
    assert not weights(table, ["", "CL:0000182"], by_contrast=True).any()


def test_evidence_is_that_of_decoupler(table):
    dc = pytest.importorskip("decoupler")
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(1.0, (8, 120)).astype(np.float32))
    values = log_expression(counts)
    net = [
        (label, f"G{g}", w)
        for label, col in zip((T_CELL, CD4), weights(table, [T_CELL, CD4]).T, strict=True)
        for g, w in enumerate(col)
        if w
    ]
    frame = pd.DataFrame(values.toarray(), columns=GENES, index=[f"c{i}" for i in range(8)])
    net = pd.DataFrame(net, columns=["source", "target", "weight"])
    expected, _ = dc.mt.ulm(data=frame, net=net, tmin=5)
    measured = np.ones(120, dtype=bool)
    cl = ontology.load()
    found = evidence(
        values, table.weights([T_CELL, CD4], measured, ontology=cl, by_contrast=False), measured
    )
    np.testing.assert_allclose(found, expected[[T_CELL, CD4]], rtol=1e-3, atol=1e-4)


def test_evidence_knows_no_scale_and_no_other_cell(table):
    rng = np.random.default_rng(0)
    values = sparse.csr_matrix(rng.poisson(1.0, (5, 120)).astype(np.float32))
    measured = rng.random(120) < 0.9
    values = (values @ sparse.diags(measured.astype(np.float32))).tocsr()
    w = table.weights([T_CELL, CD4], measured, ontology=ontology.load(), by_contrast=False)
    together = evidence(values, w, measured)
    np.testing.assert_allclose(evidence(values * 7, w, measured), together, rtol=1e-4)
    alone = np.concatenate([evidence(values[i], w, measured) for i in range(5)])
    np.testing.assert_allclose(alone, together, rtol=1e-5)
    each = np.repeat(measured[None], 5, axis=0)
    np.testing.assert_allclose(evidence(values, w, each), together, rtol=1e-5)


def test_a_label_without_markers_is_neither_for_nor_against(table):
    values = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (5, 120)).astype(np.float32))
    measured = np.ones(120, dtype=bool)
    cl = ontology.load()
    w = table.weights([T_CELL, "CL:0000182", CD4], measured, ontology=cl, by_contrast=False)
    found = evidence(values, w, measured)
    np.testing.assert_allclose(found[:, 1], found[:, [0, 2]].mean(1), rtol=1e-5)
    nothing = table.weights(["", ""], measured, ontology=cl, by_contrast=True)
    assert not evidence(values, nothing, measured).any()


def test_empty_cells_say_nothing(table):
    measured = np.ones(120, dtype=bool)
    w = table.weights([T_CELL, CD4], measured, ontology=ontology.load(), by_contrast=False)
    assert not evidence(sparse.csr_matrix((2, 120), dtype=np.float32), w, measured).any()


def test_what_is_written_is_read_again(table, tmp_path):
    table.write(tmp_path / "markers.tsv", symbols=GENES)
    again = MarkerTable.read(tmp_path / "markers.tsv", symbols=GENES)
    assert again.terms == tuple(sorted(table.terms))
    rows = [table.terms.index(term) for term in again.terms]
    np.testing.assert_array_equal(again.sources.toarray(), table.sources[rows].toarray())
    np.testing.assert_allclose(again.contrast.toarray(), table.contrast[rows].toarray(), atol=0.006)


def test_an_empty_table_can_be_kept(tmp_path):
    MarkerTable.empty(120).write(tmp_path / "markers.tsv", symbols=GENES)
    assert MarkerTable.read(tmp_path / "markers.tsv", symbols=GENES).terms == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\n", "must begin with the header"),
        ("cl_id\tsymbol\tsources\tcontrast\nCL:0000084\tNONE\t1\t0\n", "'NONE', which is no gene"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    (tmp_path / "markers.tsv").write_text(text)
    with pytest.raises(ValueError, match=message):
        MarkerTable.read(tmp_path / "markers.tsv", symbols=GENES)
