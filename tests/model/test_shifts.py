from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from scmmgpt_tl.model.shifts import Rule, complete, ridge_weights, weigh


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(6, 40))


def test_weights_give_what_the_regression_gives(features):
    values = np.random.default_rng(1).normal(size=(5, 7))
    known, new = features[:5], features[5:]
    scale = np.sqrt(np.square(known - known.mean(0)).sum(1).mean())
    expected = Ridge(alpha=0.3).fit(known / scale, values).predict(new / scale)
    weights = ridge_weights(known, new, 0.3)
    np.testing.assert_allclose(weights @ values, expected)
    np.testing.assert_allclose(weights.sum(1), 1)


def test_a_strong_ridge_is_the_mean_and_a_weak_one_knows_what_it_has_seen(features):
    np.testing.assert_allclose(ridge_weights(features[:5], features[5:], 1e9), 0.2, atol=1e-6)
    np.testing.assert_allclose(
        ridge_weights(features, features[:2], 1e-9), np.eye(6)[:2], atol=1e-6
    )


def test_features_that_are_all_the_same_give_the_mean():
    np.testing.assert_allclose(ridge_weights(np.ones((4, 3)), np.ones((2, 3)), 1.0), 0.25)


def test_only_some_are_weighed(features):
    kinds = {"x": features}
    rows = np.array([1, 3, 4])
    for rule in (Rule(), Rule("x", 0.5)):
        weights = weigh(rule, kinds, {"x": features[:1]}, rows)
        assert weights.shape == (1, 6)
        assert (weights[0, [0, 2, 5]] == 0).all()
        assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weigh(Rule(), kinds, kinds, rows)[:, rows], 1 / 3)
    # There is nothing to choose between.
    assert weigh(Rule("x", 0.5), kinds, {"x": features[:1]}, rows[:1])[0, 1] == 1


def test_gaps_are_filled_from_the_other_groups(features):
    shifts = np.arange(2 * 3 * 4, dtype=float).reshape(2, 3, 4)
    measured = np.array([[True, True, True], [True, False, True]])
    full = complete(shifts * measured[..., None], measured, Rule(), {"x": features[:3]})
    np.testing.assert_array_equal(full[0], shifts[0])
    np.testing.assert_allclose(full[1, 1], (shifts[1, 0] + shifts[1, 2]) / 2)
