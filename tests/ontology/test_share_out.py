from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology._share_out import ELSEWHERE, compatible, share_out

T_CELL, CD4, CD8, B_CELL, HEPATOCYTE, LYMPHOCYTE = (
    "CL:0000084",
    "CL:0000624",
    "CL:0000625",
    "CL:0000236",
    "CL:0000182",
    "CL:0000542",
)


def weights(sources, labels, kinds=None):
    return compatible(sources, labels, ontology=ontology.load(), kinds=kinds)


def test_a_source_is_the_most_specific_label_above_it():
    np.testing.assert_array_equal(weights([CD4], [T_CELL, B_CELL]), [[1, 0]])
    np.testing.assert_array_equal(weights([CD4], [T_CELL, CD4]), [[0, 1]])


def test_a_source_may_be_any_label_below_it():
    np.testing.assert_array_equal(weights([T_CELL], [CD4, CD8, B_CELL]), [[1, 1, 0]])


def test_an_unrelated_source_speaks_for_labels_that_no_source_knows():
    found = weights([CD4, HEPATOCYTE], [T_CELL, "", B_CELL])
    np.testing.assert_allclose(found, [[1, 0, 0], [ELSEWHERE, 1, 1]])


def test_labels_of_one_term_share_alike():
    np.testing.assert_array_equal(weights([CD4], [CD4, CD4, B_CELL]), [[1, 1, 0]])


def test_a_label_without_a_term_may_be_what_it_speaks_of():
    labels, kinds = ["", B_CELL], [(T_CELL,), (B_CELL,)]
    np.testing.assert_array_equal(
        weights([CD4, LYMPHOCYTE, HEPATOCYTE], labels, kinds),
        [[1, 0], [1, 1], [ELSEWHERE, ELSEWHERE]],
    )


def test_it_shares_with_the_term_itself_and_those_below():
    labels, kinds = ["", T_CELL, CD4], [(T_CELL,), (T_CELL,), (CD4,)]
    np.testing.assert_array_equal(weights([CD8, CD4], labels, kinds), [[1, 1, 0], [1, 0, 1]])


def test_no_source_is_lost():
    assert (weights([CD4, HEPATOCYTE], ["", ""]) == 1).all()


def test_prior_decides_between_compatible_labels_only():
    w = weights([T_CELL], [CD4, CD8, B_CELL])
    shared = share_out(np.array([[1.0]]), w, np.array([[0.1, 0.3, 0.6]]))
    np.testing.assert_allclose(shared, [[0.25, 0.75, 0]])


@given(st.integers(0, 2**32 - 1))
def test_probabilities_stay_probabilities(seed):
    rng = np.random.default_rng(seed)
    w = weights([CD4, CD8, B_CELL, HEPATOCYTE], [T_CELL, B_CELL, ""])
    p, prior = rng.dirichlet(np.ones(4), 5), rng.dirichlet(np.full(3, 0.1), 5)
    shared = share_out(p, w, prior)
    assert (shared >= 0).all()
    np.testing.assert_allclose(shared.sum(1), 1)


def test_a_prior_of_zero_divides_nothing_by_zero():
    shared = share_out(np.array([[1.0]]), np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    assert shared == pytest.approx(np.array([[1.0, 0.0]]))
