from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression

from scmmgpt_tl.model.calibration import (
    Calibration,
    expected_calibration_error,
    fit_knots,
    fit_temperature,
)

PLAIN = Calibration(0.1, (0.0, 0.5, 1.0), (0.0, 0.25, 0.75), 0.5, 50, ("a", "b"))


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


def test_calibrate_is_linear_between_knots_and_flat_outside():
    calibration = replace(PLAIN, knots_x=(0.2, 0.6), knots_y=(0.1, 0.9))
    found = calibration.calibrate([0.0, 0.2, 0.4, 0.6, 1.0])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [0.1, 0.1, 0.5, 0.9, 0.9], rtol=1e-6)


def test_read_gives_back_what_was_written(tmp_path):
    PLAIN.write(tmp_path / "calibration.json")
    assert Calibration.read(tmp_path / "calibration.json") == PLAIN


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0.0}, "`temperature` must be positive"),
        ({"temperature": float("nan")}, "`temperature` must be positive"),
        ({"knots_x": (0.5, 0.5, 1.0)}, "`knots_x` must ascend"),
        ({"knots_y": (0.5, 0.2, 1.0)}, "`knots_y` must not descend"),
        ({"knots_y": (0.0, 0.2, 1.1)}, "within 0 and 1"),
        ({"knots_y": (0.0, 0.2)}, "of one length"),
        ({"knots_x": (), "knots_y": ()}, "`knots_x` must ascend"),
    ],
)
def test_impossible_values_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PLAIN, **change)


@pytest.mark.parametrize("text", ["no", "[]", "null", "{}", json.dumps({"temperature": 1})])
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


def test_fit_knots_makes_overconfidence_honest():
    rng = np.random.default_rng(3)
    p = rng.uniform(0.3, 1, 20_000)
    right = rng.uniform(size=p.size) < p**2
    x, y = fit_knots(p[::2], right[::2])
    calibrated = replace(PLAIN, knots_x=x, knots_y=y).calibrate(p[1::2])
    assert expected_calibration_error(p[1::2], right[1::2]) > 0.1
    assert expected_calibration_error(calibrated, right[1::2]) < 0.02


def test_fit_knots_equals_isotonic_regression_of_the_bin_means():
    rng = np.random.default_rng(4)
    p = np.sort(rng.uniform(size=100))
    right = rng.uniform(size=100) < p
    x, y = fit_knots(p, right, bins=10)
    groups = p.reshape(10, 10).mean(1), right.reshape(10, 10).mean(1)
    np.testing.assert_allclose(x, groups[0])
    expected = IsotonicRegression().fit(*groups).predict(groups[0])
    np.testing.assert_allclose(y, expected)
    assert len(x) == 10


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_fit_knots_takes_ties_and_any_order(order):
    p = np.array([1.0] * 50 + [0.5] * 50)[order]
    right = np.array([True] * 45 + [False] * 5 + [True] * 20 + [False] * 30)[order]
    x, y = fit_knots(p, right)
    np.testing.assert_allclose(x, [0.5, 1.0])
    np.testing.assert_allclose(y, [0.4, 0.9])


def test_one_cell_gives_one_knot():
    assert fit_knots([0.7], [True]) == ((0.7,), (1.0,))


def test_expected_calibration_error_equals_a_loop_over_bins():
    rng = np.random.default_rng(5)
    p, right = rng.uniform(size=400), rng.uniform(size=400) < 0.5
    total = 0.0
    for low in np.arange(15) / 15:
        inside = (p >= low) & (p < low + 1 / 15)
        total += inside.sum() * abs(p[inside].mean() - right[inside].mean())
    assert expected_calibration_error(p, right) == pytest.approx(total / 400)
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
