from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scmmgpt_tl import ontology
from scmmgpt_tl.tl._transfer.transfer import PENALTY, even_out, held_kinds, learn_shares, weigh

T_CELL, CD4, B_CELL, HEPATOCYTE = "CL:0000084", "CL:0000624", "CL:0000236", "CL:0000182"


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    code = np.repeat([0, 1, 2], [30, 5, 10])
    place = rng.normal(size=(45, 4)) + 3 * np.eye(4)[code]
    return place / np.linalg.norm(place, axis=1, keepdims=True), code


def test_shares_are_those_of_a_balanced_regression(cells):
    place, code = cells
    weight = 45 / (3 * np.bincount(code))[code]
    expected = LogisticRegression(C=PENALTY, tol=1e-8, max_iter=5000)
    expected.fit(place, code, sample_weight=weight)
    found = learn_shares(place.astype(np.float32), code)(place.astype(np.float32))
    np.testing.assert_allclose(found, expected.predict_proba(place), atol=1e-3)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_the_weight_of_the_texts():
    learned, told = np.array([[0.8, 0.2]]), np.array([[0.1, 0.9]])
    named = np.array([True, True])
    np.testing.assert_allclose(
        weigh(learned, told, named=named, offsets=np.zeros(2), text_weight=0), learned, atol=2e-3
    )
    np.testing.assert_allclose(
        weigh(learned, told, named=named, offsets=np.zeros(2), text_weight=1), told, atol=2e-3
    )
    between = weigh(learned, told, named=named, offsets=np.zeros(2), text_weight=0.5)
    expected = np.sqrt(learned * told)
    np.testing.assert_allclose(between, expected / expected.sum(), atol=2e-3)


def test_a_name_that_tells_nothing_keeps_what_the_cells_say():
    learned, told = np.array([[0.5, 0.3, 0.2]]), np.array([[0.0, 0.2, 0.8]])
    found = weigh(
        learned, told, named=np.array([False, True, True]), offsets=np.zeros(3), text_weight=1
    )
    np.testing.assert_allclose(found, [[0.5, 0.1, 0.4]], atol=2e-3)
    none = weigh(learned, told, named=np.zeros(3, dtype=bool), offsets=np.zeros(3), text_weight=1)
    np.testing.assert_allclose(none, learned, atol=2e-3)


def test_what_a_reference_holds():
    own = [T_CELL, CD4, B_CELL, HEPATOCYTE, ""]
    # Cells of the second label, whose name tells nothing, look like B cells, and a little like liver.
    seen = np.array([[0.9, 0, 0, 0.1, 0]] * 3 + [[0, 0, 0.9, 0.05, 0.05]] * 2)
    held = held_kinds(
        [(CD4,), ()], own, seen=seen, code=np.array([0, 0, 0, 1, 1]), ontology=ontology.load()
    )
    np.testing.assert_allclose(held, [1, 1, 1, 0.5, 0.5])
    named = held_kinds(
        [(CD4,)], own, seen=seen[:3], code=np.zeros(3, int), ontology=ontology.load()
    )
    np.testing.assert_allclose(named, [1, 1, 0, 0, 0])
    unnamed = held_kinds([()], own, seen=seen[3:], code=np.zeros(2, int), ontology=ontology.load())
    np.testing.assert_allclose(unnamed, [0, 0, 1, 0.5, 0.5])


def nested(n=200):
    """Texts of a type and of a kind of it: the latter fits the cells of both better, but its own best."""
    rng = np.random.default_rng(0)
    code = np.repeat([0, 1, 2], n)
    lead = np.select([code == 0, code == 1], [1.0, 3.0], -20.0) + rng.normal(0, 0.5, 3 * n)
    logs = np.column_stack([np.zeros(3 * n), lead, np.where(code == 2, 5.0, -20.0)])
    told = np.exp(logs)
    return told / told.sum(axis=1, keepdims=True), code


def test_a_kind_does_not_swallow_the_type_it_is_of():
    told, code = nested()
    assert (told.argmax(1) == 1)[code == 0].mean() > 0.9
    offsets = even_out(told, code, named=np.ones(3, dtype=bool))
    fair = weigh(told, told, named=np.ones(3, dtype=bool), offsets=offsets, text_weight=1)
    assert (fair.argmax(1) == code).mean() > 0.95
    share = np.array([fair[code == label].mean(axis=0) for label in range(3)]).sum(axis=0)
    np.testing.assert_allclose(share, 1, atol=0.01)


def test_each_label_counts_the_same_however_many_cells_it_has():
    told, code = nested()
    few = np.flatnonzero((code != 1) | (np.arange(len(code)) % 10 == 0))
    named = np.ones(3, dtype=bool)
    all_cells, some = (even_out(told[rows], code[rows], named=named) for rows in (slice(None), few))
    np.testing.assert_allclose(all_cells, some, atol=0.5)


def test_names_that_tell_nothing_are_left_alone():
    told, code = nested()
    offsets = even_out(told, code, named=np.array([True, True, False]))
    assert offsets[2] == 0
    assert offsets[0] > offsets[1]
    np.testing.assert_array_equal(even_out(told, code, named=np.array([True, False, False])), 0)


def test_a_text_that_fits_no_cell_is_not_raised_without_end():
    told, code = nested()
    told[:, 2] = 0
    assert np.abs(even_out(told, code, named=np.ones(3, dtype=bool))).max() <= 3
