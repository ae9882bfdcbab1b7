"""Parting cells by one antibody."""

from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl.proteins._positive import BACKGROUND, clr, split


def two_peaks(n=200, share=0.3, distance=6.0):
    rng = np.random.default_rng(0)
    has = np.arange(n) < share * n
    return rng.normal(size=n) * 0.3 + np.where(has, 1 + 0.3 * distance, 1), has


def test_two_peaks_part():
    values, has = two_peaks()
    found = split(values)
    assert found.why == "split"
    assert ((found.positive > 0.5) == has).all()
    assert found.limit == values[has].min()
    assert found.distance == pytest.approx(6, abs=1)


def test_a_rare_peak_parts():
    values, has = two_peaks(n=500, share=0.02)
    assert ((split(values).positive > 0.5) == has).all()


def test_more_is_never_less_likely_positive():
    values, _ = two_peaks()
    positive = split(values).positive[np.argsort(values)]
    assert (np.diff(positive) >= 0).all()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.random.default_rng(0).normal(size=300), "one peak"),
        (np.ones(100), "one peak"),
        (two_peaks(distance=2)[0], "one peak"),
        (two_peaks(share=0.02)[0], "one peak"),
        (two_peaks(n=49)[0], "few cells"),
        (np.array([]), "few cells"),
    ],
)
def test_nothing_is_said_where_cells_do_not_part(values, why):
    found = split(values)
    assert found.why == why
    assert np.isnan(found.positive).all()
    assert np.isnan(found.limit)


def test_peaks_below_the_background_say_nothing():
    values, _ = two_peaks()
    assert split(values, background=2.9).why == "background"
    assert split(values, background=2.0).why == "split"


def test_order_of_cells_does_not_matter():
    values, _ = two_peaks(n=6000)
    order = np.random.default_rng(0).permutation(6000)
    np.testing.assert_array_equal(split(values).positive[order], split(values[order]).positive)


def test_clr_is_the_published_formula():
    counts = np.array([[0.0, 3, 8], [1, 1, 1]])
    found = clr(counts)
    mean = np.exp((np.log(1) + np.log(4) + np.log(9)) / 3)
    np.testing.assert_allclose(found[0], np.log1p(np.array([0, 3, 8]) / mean))
    # A count as high as the mean comes to the background.
    np.testing.assert_allclose(found[1], np.log1p(0.5))
    assert np.log1p(mean / mean) == pytest.approx(BACKGROUND)
