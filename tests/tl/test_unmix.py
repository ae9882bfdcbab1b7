"""Mixtures whose shares are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from scmmgpt_tl.tl import _unmix
from scmmgpt_tl.tl._unmix import Mixture, telling_genes

N_TYPES, N_GENES = 3, 400


def unmix(counts: csr_matrix, profiles: np.ndarray) -> Mixture:
    """Read the counts in three blocks."""
    parts = [counts[:10], counts[10:11], counts[11:]]
    return _unmix.unmix(lambda: iter(parts), profiles)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def profiles(rng) -> np.ndarray:
    rates = rng.gamma(0.3, 1.0, (N_TYPES, N_GENES)) + 1e-3
    return rates / rates.sum(axis=1, keepdims=True)


@pytest.fixture
def shares(rng) -> np.ndarray:
    return rng.dirichlet(np.ones(N_TYPES), 60)


def test_shares_of_drawn_mixtures_are_found(profiles, shares, rng):
    found = unmix(csr_matrix(rng.poisson(shares @ profiles * 3000)), profiles)
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    assert np.abs(found.shares - shares).mean() < 0.03


def test_genes_measured_better_or_worse_than_in_the_profiles(profiles, shares, rng):
    factor = rng.lognormal(0, 1.5, N_GENES)
    counts = csr_matrix(rng.poisson(shares @ (profiles * factor) * 3000))
    error = np.abs(unmix(counts, profiles).shares - shares).mean()
    without = _unmix._weigh(counts.astype(float), profiles)
    without /= without.sum(axis=1, keepdims=True)
    assert error < 0.8 * np.abs(without - shares).mean()


def test_fit_tells_mixtures_from_noise(profiles, shares, rng):
    counts = rng.poisson(shares @ profiles * 3000)
    counts[0] = rng.permutation(counts[0])
    fit = unmix(csr_matrix(counts), profiles).fit
    assert (fit <= 1).all()
    assert np.median(fit[1:]) > 0.3
    assert fit[0] < np.min(fit[1:])


def test_spots_without_counts_have_the_same_of_each_and_no_fit(profiles, shares, rng):
    counts = rng.poisson(shares @ profiles * 300)
    counts[7] = 0
    found = unmix(csr_matrix(counts), profiles)
    np.testing.assert_allclose(found.shares[7], 1 / N_TYPES)
    assert np.isfinite(found.fit).all()
    assert found.fit[7] == 0


def test_stored_zeros_say_nothing(profiles, shares, rng):
    counts = csr_matrix(rng.poisson(shares @ profiles * 300).astype(float))
    stored = counts.copy()
    stored.data[:50] = 0
    dropped = stored.copy()
    dropped.eliminate_zeros()
    left, right = unmix(stored, profiles), unmix(dropped, profiles)
    np.testing.assert_array_equal(left.shares, right.shares)
    np.testing.assert_array_equal(left.fit, right.fit)


def test_how_many_spots_go_at_once_does_not_matter(profiles, shares, rng, monkeypatch):
    counts = csr_matrix(rng.poisson(shares @ profiles * 300))
    whole = unmix(counts, profiles)
    monkeypatch.setattr(_unmix, "SPOTS_AT_ONCE", 7)
    np.testing.assert_allclose(unmix(counts, profiles).shares, whole.shares, atol=1e-9)


def test_telling_genes_differ_between_types_and_are_measured(monkeypatch):
    monkeypatch.setattr(_unmix, "N_GENES", 2)
    profiles = np.array([[0.2, 0.4, 0.1, 0.0, 0.3], [0.2, 0.1, 0.4, 0.3, 0.0]])
    measured = np.array([True, True, True, False, True])
    assert telling_genes(profiles, measured).tolist() == [1, 4]
