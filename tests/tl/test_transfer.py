from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scmmgpt_tl import ontology
from scmmgpt_tl.tl._transfer.transfer import PENALTY, held_kinds, learn_shares, weigh

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
    np.testing.assert_allclose(weigh(learned, told, named=named, text_weight=0), learned, atol=2e-3)
    np.testing.assert_allclose(weigh(learned, told, named=named, text_weight=1), told, atol=2e-3)
    between = weigh(learned, told, named=named, text_weight=0.5)
    expected = np.sqrt(learned * told)
    np.testing.assert_allclose(between, expected / expected.sum(), atol=2e-3)


def test_a_name_that_tells_nothing_keeps_what_the_cells_say():
    learned, told = np.array([[0.5, 0.3, 0.2]]), np.array([[0.0, 0.2, 0.8]])
    found = weigh(learned, told, named=np.array([False, True, True]), text_weight=1)
    np.testing.assert_allclose(found, [[0.5, 0.1, 0.4]], atol=2e-3)
    none = weigh(learned, told, named=np.zeros(3, dtype=bool), text_weight=1)
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
