from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl.model.shifts import Rule, ridge_weights
from scmmgpt_tl.train.held_out_shifts import STRENGTHS, choose_rule


@pytest.fixture
def made():
    """Shifts that are linear in features, and features that have nothing to do with them."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(9, 3))
    shifts = np.einsum("if,ofg->iog", features, rng.normal(size=(2, 3, 50)))
    return shifts + 0.1 * rng.normal(size=shifts.shape), features, rng.normal(size=(9, 3))


def test_what_explains_the_shifts_is_chosen(made):
    shifts, telling, idle = made
    there = np.ones(shifts.shape[:2], dtype=bool)
    rule, chosen, mean = choose_rule(shifts, there, {"idle": idle, "telling": telling})
    assert rule.features == "telling"
    assert rule.strength in STRENGTHS
    assert chosen.r.mean() > 0.9 > mean.r.mean()
    assert chosen.error.mean() < mean.error.mean()


def test_the_mean_shift_is_chosen_where_nothing_explains_them():
    rng = np.random.default_rng(3)
    shifts = 1 + rng.normal(size=(12, 1, 2000))
    rule, chosen, mean = choose_rule(
        shifts, np.ones((12, 1), bool), {"x": rng.normal(size=(12, 4))}
    )
    assert rule == Rule()
    np.testing.assert_array_equal(chosen.error, mean.error)


def test_scores_are_those_of_leaving_one_out(made):
    shifts, telling, _ = made
    there = np.ones(shifts.shape[:2], dtype=bool)
    there[2, 1] = False
    rule, chosen, mean = choose_rule(shifts, there, {"x": telling})
    for item in (0, 2):
        r, error, error_of_mean = [], [], []
        for other in range(2):
            rows = [i for i in range(9) if i != item and there[i, other]]
            if not there[item, other]:
                continue
            weights = ridge_weights(telling[rows], telling[[item]], rule.strength)[0]
            predicted, truth = weights @ shifts[rows, other], shifts[item, other]
            r.append(np.corrcoef(predicted, truth)[0, 1])
            error.append(np.square(predicted - truth).mean())
            error_of_mean.append(np.square(shifts[rows, other].mean(0) - truth).mean())
        assert chosen.r[item] == pytest.approx(np.mean(r))
        assert chosen.error[item] == pytest.approx(np.mean(error))
        assert mean.error[item] == pytest.approx(np.mean(error_of_mean))


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_to_hold_out(made, n):
    shifts, telling, _ = made
    rule, chosen, _ = choose_rule(shifts[:n], np.ones((n, 2), bool), {"x": telling[:n]})
    assert rule == Rule()
    assert np.isnan(chosen.r).all()


def test_many_items_are_held_out_in_parts():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 2))
    shifts = (features @ rng.normal(size=(2, 30)))[:, None]
    rule, chosen, _ = choose_rule(shifts, np.ones((60, 1), bool), {"x": features})
    assert rule.features == "x"
    assert np.isfinite(chosen.r).all()


def test_predictions_are_compared_with_a_truth_of_its_own(made):
    shifts, telling, _ = made
    there = np.ones(shifts.shape[:2], dtype=bool)
    chance = np.random.default_rng(5).normal(size=shifts.shape[2])
    # What all have in common by chance is predicted, unless the truth is without it.
    alike = shifts + 5 * chance
    _, _, shared = choose_rule(alike, there, {"x": telling})
    _, _, apart = choose_rule(alike, there, {"x": telling}, truth=shifts)
    assert shared.r.mean() > 0.9
    assert apart.r.mean() < 0.5
