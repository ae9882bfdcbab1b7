from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.linear_model import LogisticRegression

from scmmgpt_tl.model.calibration import (
    Calibration,
    expected_calibration_error,
    fit_score,
    fit_temperature,
)

PLAIN = Calibration(0.1, 0.8, -0.2, 0.5, 50, ("a", "b"))


def drawn(n_cells: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Return similarities, and labels drawn with the probabilities they then mean."""
    rng = np.random.default_rng(1)
    cosine = rng.uniform(-1, 1, (n_cells, 6))
    edges = softmax(cosine / temperature, axis=1).cumsum(axis=1)
    return cosine, (rng.uniform(size=(n_cells, 1)) > edges).sum(axis=1).clip(max=5)


def test_probabilities_are_a_softmax():
    cosine = np.random.default_rng(0).uniform(-1, 1, (5, 7))
    found = PLAIN.probabilities(cosine)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, softmax(cosine / 0.1, axis=1), rtol=1e-5)


def test_labels_with_many_profiles_are_believed_more():
    cosine, n_profiles = np.array([[0.3, 0.2, 0.1]]), [1, 4, 9]
    found = replace(PLAIN, prior=0.5).probabilities(cosine, n_profiles)
    odds = np.exp(cosine / 0.1) * np.sqrt(n_profiles)
    np.testing.assert_allclose(found, odds / odds.sum(), rtol=1e-5)


def test_a_low_temperature_does_not_overflow():
    found = replace(PLAIN, temperature=1e-6).probabilities([[1.0, -1.0]])
    np.testing.assert_array_equal(found, [[1.0, 0.0]])


def test_calibrate_is_linear_in_logits():
    p = np.array([0.1, 0.5, 0.9])
    found = replace(PLAIN, slope=2.0, intercept=0.3).calibrate(p)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expit(2 * logit(p) + 0.3), rtol=1e-6)


def test_calibrate_keeps_the_order_and_stays_between_zero_and_one():
    p = np.linspace(0, 1, 101)
    found = replace(PLAIN, slope=0.3).calibrate(p)
    assert (np.diff(found[1:-1]) > 0).all()
    assert (found > 0).all()
    assert (found < 1).all()


def test_read_gives_back_what_was_written(tmp_path):
    PLAIN.write(tmp_path / "calibration.json")
    assert Calibration.read(tmp_path / "calibration.json") == PLAIN


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0.0}, "`temperature` must be positive"),
        ({"temperature": float("nan")}, "`temperature` must be positive"),
        ({"slope": 0.0}, "`slope` must be positive"),
        ({"intercept": float("nan")}, "`intercept` must be finite"),
        ({"marker_weight": -1.0}, "`marker_weight` must be 0 or more"),
    ],
)
def test_impossible_values_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PLAIN, **change)


WITHOUT_END = json.dumps(asdict(PLAIN) | {"min_genes": float("inf")})


@pytest.mark.parametrize(
    "text",
    ["no", "[]", "null", "{}", json.dumps({"temperature": 1}), WITHOUT_END, "[" * 100_000],
    ids=["word", "list", "nothing", "empty", "one key", "infinite", "deep"],
)
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(ValueError, match=r"calibration.json is not a calibration"):
        Calibration.read(tmp_path / "calibration.json")


@pytest.mark.parametrize("temperature", [0.05, 0.3, 2.0])
def test_fit_temperature_finds_the_one_that_drew_the_labels(temperature):
    cosine, target = drawn(20_000, temperature)
    _, found = fit_temperature(cosine, np.eye(6)[target])
    assert found == pytest.approx(temperature, rel=0.1)


def test_fit_temperature_is_best_among_many():
    cosine, target = drawn(500, 0.2)

    def loss(t):
        return -log_softmax(cosine / t, axis=1)[np.arange(500), target].mean()

    least, found = fit_temperature(cosine, np.eye(6)[target])
    assert loss(found) == pytest.approx(least)
    assert least <= min(loss(t) for t in np.geomspace(1e-3, 10, 300)) + 1e-7


def test_fit_temperature_takes_several_right_labels_and_a_bias():
    cosine, target = drawn(500, 0.2)
    right, bias = np.eye(6)[target], np.log(np.arange(1, 7))
    right[:, 0] = 1
    least, found = fit_temperature(cosine, right, bias=bias)
    p = softmax(cosine / found + bias, axis=1)
    assert -np.log((p * right).sum(1)).mean() == pytest.approx(least)


def test_fit_score_makes_overconfidence_honest():
    rng = np.random.default_rng(3)
    p = rng.uniform(0.3, 1, 20_000)
    right = rng.uniform(size=p.size) < expit(0.5 * logit(p) - 0.4)
    slope, intercept = fit_score(p[::2], right[::2])
    assert (slope, intercept) == pytest.approx((0.5, -0.4), abs=0.05)
    calibrated = replace(PLAIN, slope=slope, intercept=intercept).calibrate(p[1::2])
    assert expected_calibration_error(p[1::2], right[1::2]) > 0.1
    assert expected_calibration_error(calibrated, right[1::2]) < 0.02


def test_fit_score_equals_logistic_regression():
    rng = np.random.default_rng(4)
    p = rng.uniform(size=5000)
    right = rng.uniform(size=p.size) < p
    reference = LogisticRegression(C=np.inf, max_iter=1000).fit(logit(p)[:, None], right)
    expected = reference.coef_[0, 0], reference.intercept_[0]
    assert fit_score(p, right) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("right", [True, False])
def test_a_handful_of_like_answers_makes_no_certainty(right):
    slope, intercept = fit_score([0.6, 0.7, 0.8], [right] * 3)
    assert slope > 0
    found = replace(PLAIN, slope=slope, intercept=intercept).calibrate(0.7)
    assert found == pytest.approx(0.8 if right else 0.2, abs=0.05)


def test_more_probable_is_never_less_sure():
    p = np.linspace(0.1, 0.9, 50)
    slope, _ = fit_score(p, p < 0.5)
    assert slope > 0


def test_expected_calibration_error_equals_a_loop_over_bins():
    rng = np.random.default_rng(5)
    p, right = rng.uniform(size=400), rng.uniform(size=400) < 0.5
    total = 0.0
    for low in np.arange(15) / 15:
        inside = (p >= low) & (p < low + 1 / 15)
        total += inside.sum() * abs(p[inside].mean() - right[inside].mean())
    assert expected_calibration_error(p, right) == pytest.approx(total / 400)
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
