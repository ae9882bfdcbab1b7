from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scmmgpt_tl.train import panels
from scmmgpt_tl.train.panels import Panels


class Fixed:
    """A generator whose kind of panel is fixed."""

    def __init__(self, kind, seed=0):
        self._kind, self._rng, self._first = kind, np.random.default_rng(seed), True

    def random(self, size=None):
        if size is None and self._first:
            self._first = False
            return self._kind
        return self._rng.random(size)

    def __getattr__(self, name):
        return getattr(self._rng, name)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(panels, "SIZES", (20, 40))


def test_some_see_all_that_their_source_saw(material):
    measured = np.arange(300) < 200
    assert Panels(material.profiles).draw(measured, Fixed(0.1)) is measured


@pytest.mark.parametrize("kind", [0.4, 0.6, 0.9])
def test_nothing_is_seen_that_the_source_did_not_see(material, small, kind):
    measured = np.arange(300) < 200
    found = Panels(material.profiles).draw(measured, Fixed(kind))
    assert not (found & ~measured).any()
    assert found.sum() >= 15


def test_chosen_genes_are_those_that_vary_in_the_same_place(material, small):
    profiles = material.profiles
    # All profiles of one place, in which ten genes vary more than all others.
    shares = np.tile(profiles.shares.mean(0), (len(profiles.terms), 1))
    rng = np.random.default_rng(0)
    shares[:, 50:60] *= rng.lognormal(0, 3, (len(shares), 10))
    n = len(profiles.terms)
    alike = replace(
        profiles,
        shares=(shares / shares.sum(1, keepdims=True)).astype(np.float32),
        studies=("one",) * n,
        tissues=("blood",) * n,
    )
    source = Panels(alike)
    everything = np.ones(300, dtype=bool)
    seen = np.mean([source.draw(everything, Fixed(0.6, s), profile=0) for s in range(20)], axis=0)
    assert seen[50:60].mean() > 0.9
    assert np.delete(seen, range(50, 60)).mean() < 0.2
