from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology._share_out import ELSEWHERE, UNTAUGHT, Sharing

T_CELL, CD4, CD8, B_CELL, HEPATOCYTE, LYMPHOCYTE = (
    "CL:0000084",
    "CL:0000624",
    "CL:0000625",
    "CL:0000236",
    "CL:0000182",
    "CL:0000542",
)


def between(sources, labels, kinds=None):
    return Sharing.between(sources, labels, ontology=ontology.load(), kinds=kinds)


def weights(sources, labels, kinds=None):
    return between(sources, labels, kinds).weights


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


def test_what_only_wider_sources_speak_of_is_untaught():
    found = between([CD4, LYMPHOCYTE], [T_CELL, CD4, CD8, B_CELL, HEPATOCYTE, ""]).untaught
    assert found.tolist() == [False, False, True, True, True, True]


def test_a_label_without_a_term_is_taught_by_whatever_it_speaks_of():
    kinds = [(CD4,), (T_CELL,), (HEPATOCYTE,)]
    assert between([T_CELL], [""] * 3, kinds).untaught.tolist() == [False, False, True]


def test_prior_decides_between_compatible_labels_only():
    sharing = between([T_CELL, CD4, CD8, B_CELL], [CD4, CD8, B_CELL])
    shared = sharing.share_out(np.array([[1.0, 0, 0, 0]]), np.array([[0.1, 0.3, 0.6]]))
    np.testing.assert_allclose(shared, [[0.25, 0.75, 0]])


def test_labels_that_no_source_teaches_have_a_share_that_the_prior_divides():
    sharing = between([CD4, CD8], [CD4, CD8, B_CELL, HEPATOCYTE])
    shared = sharing.share_out(np.array([[0.8, 0.2]]), np.array([[0.04, 0.16, 0.64, 0.16]]))
    left, third = 1 - UNTAUGHT, UNTAUGHT / 3
    np.testing.assert_allclose(shared, [[0.8 * left, 0.2 * left, 2 * third, third]])


def test_the_share_is_smaller_where_their_texts_fit_worse():
    sharing = between([CD4, CD8], [CD4, CD8, B_CELL])
    for prior, mean_root in ((0.16, (0.6 + 0.6 + 0.4) / 3), (0.0, np.inf)):
        shared = sharing.share_out(np.array([[0.5, 0.5]]), np.array([[0.36, 0.36, prior]]))
        assert shared[0, 2] == pytest.approx(UNTAUGHT * np.sqrt(prior) / mean_root)
        assert shared.sum() == pytest.approx(1)


def test_where_no_label_is_taught_texts_decide_alone():
    sharing = between([CD4, LYMPHOCYTE], [B_CELL, HEPATOCYTE])
    shared = sharing.share_out(np.array([[0.5, 0.5]]), np.array([[0.2, 0.8]]))
    np.testing.assert_allclose(shared, [[1 / 3, 2 / 3]])


@given(st.integers(0, 2**32 - 1))
def test_probabilities_stay_probabilities(seed):
    rng = np.random.default_rng(seed)
    sharing = between([CD4, CD8, B_CELL, HEPATOCYTE], [T_CELL, B_CELL, ""])
    p, prior = rng.dirichlet(np.ones(4), 5), rng.dirichlet(np.full(3, 0.1), 5)
    shared = sharing.share_out(p, prior)
    assert (shared >= 0).all()
    np.testing.assert_allclose(shared.sum(1), 1)


def test_a_prior_of_zero_divides_nothing_by_zero():
    sharing = between([CD4, CD8], [CD4, CD8])
    shared = sharing.share_out(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    assert shared == pytest.approx(np.array([[1.0, 0.0]]))
    sharing = between([CD4], [CD4, CD8])
    shared = sharing.share_out(np.array([[1.0]]), np.array([[1.0, 0.0]]))
    assert shared == pytest.approx(np.array([[1.0, 0.0]]))
