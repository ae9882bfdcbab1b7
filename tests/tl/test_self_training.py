from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl.tl._refinement.self_training import FEWEST, MOST_SURE, self_train, sure_cells

NONE_GIVEN, SINGLE = np.full(300, -1), np.ones(300, dtype=bool)


@pytest.fixture
def clusters():
    """Three clusters, and probabilities that are right of most cells of each, but unsure."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 100)
    place = rng.normal(size=(300, 5)) + 6 * np.eye(5)[truth]
    p = rng.dirichlet(np.ones(3), 300) + 0.6 * np.eye(3)[truth]
    return truth, place, p / p.sum(1, keepdims=True)


def test_cells_follow_those_like_them(clusters):
    truth, place, p = clusters
    assert (p.argmax(1) == truth).mean() < 0.95
    found = self_train(p, place, given=NONE_GIVEN, single=SINGLE, n_rounds=2)
    assert (found.argmax(1) == truth).mean() > 0.97
    np.testing.assert_allclose(found.sum(1), 1)


def test_scale_of_the_representation_does_not_matter(clusters):
    _, place, p = clusters
    found = self_train(p, place, given=NONE_GIVEN, single=SINGLE, n_rounds=1)
    np.testing.assert_allclose(
        self_train(p, 100 * place, given=NONE_GIVEN, single=SINGLE, n_rounds=1), found
    )


def test_given_labels_stand_and_teach(clusters):
    truth, place, p = clusters
    # Two clusters look alike to the model; ten cells of each are known.
    p = np.where(truth[:, None] < 2, [0.49, 0.5, 0.01], p)
    given = NONE_GIVEN.copy()
    given[:10], given[100:110] = 0, 1
    found = self_train(p, place, given=given, single=SINGLE, n_rounds=3)
    assert (found.argmax(1) == truth).mean() > 0.97
    np.testing.assert_array_equal(found[:10], np.eye(3)[[0] * 10])


def test_one_label_alone_teaches_nothing(clusters):
    _, place, _ = clusters
    p = np.tile([0.9, 0.1], (300, 1))
    np.testing.assert_array_equal(
        self_train(p, place, given=NONE_GIVEN, single=SINGLE, n_rounds=3), p
    )


def test_the_surer_half_is_learned_from():
    p = np.zeros((520, 3))
    p[:, 0] = np.linspace(0.5, 1, 520)
    p[:8], p[8:11] = [0.2, 0.8, 0], [0.1, 0, 0.9]
    given = np.full(520, -1)
    given[20] = 2
    found = sure_cells(p, given, single=np.ones(520, dtype=bool))
    assert found[0] == 20
    assert sorted(found[1 : MOST_SURE + 1]) == list(range(420, 520))
    # Of equals the first; of a label with few cells the fewest; of one with fewer none.
    assert found[MOST_SURE + 1 :].tolist() == list(range(FEWEST))


def test_doublets_teach_nothing():
    p = np.tile([0.9, 0.1], (20, 1))
    single = np.arange(20) >= 10
    found = sure_cells(p, np.full(20, -1), single=single)
    assert sorted(found) == list(range(10, 15))
