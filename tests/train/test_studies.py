from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scmmgpt_tl.train import studies
from scmmgpt_tl.train.reference import Profiles
from scmmgpt_tl.train.studies import study_effects

N_TYPES, N_GENES = 8, 40


@pytest.fixture
def profiles():
    """Two studies of the same types; the second sees the first ten genes three times as strongly."""
    rng = np.random.default_rng(0)
    base = rng.gamma(1.0, 1.0, (N_TYPES, N_GENES)) + 0.5
    other = base.copy()
    other[:, :10] *= 3
    shares = np.concatenate([base, other]).astype(np.float32)
    return Profiles(
        shares=shares / shares.sum(1, keepdims=True),
        panel=np.zeros(2 * N_TYPES, dtype=np.int64),
        panels=np.ones((1, N_GENES), dtype=bool),
        terms=tuple(f"CL:{i:07}" for i in range(N_TYPES)) * 2,
        tissues=("blood",) * (2 * N_TYPES),
        studies=("a",) * N_TYPES + ("b",) * N_TYPES,
    )


def test_effects_are_the_log_ratios_of_shared_types(profiles):
    found = study_effects(profiles)
    assert found.known.tolist() == [0, 1]
    difference = found.effects[1] - found.effects[0]
    # Each is compared with the other, and shrunk by 8 / (8 + 4).
    shift = difference[:10].mean() - difference[10:].mean()
    assert shift == pytest.approx(2 * np.log(3) * 8 / 12, rel=0.02)


def test_a_moved_cell_looks_like_the_other_study(profiles, monkeypatch):
    monkeypatch.setattr(studies, "STRENGTH", (0.75, 0.75))
    effects = replace(study_effects(profiles), known=np.array([1]))
    rows = np.arange(N_TYPES)
    moved = effects.move(profiles.shares[rows], rows, np.random.default_rng(0))
    moved /= moved.sum(1, keepdims=True)
    # 0.75 x twice the shrunk ratio is the whole of the true difference.
    np.testing.assert_allclose(moved, profiles.shares[N_TYPES:], rtol=0.1)


def test_a_study_stays_where_it_is(profiles):
    effects = replace(study_effects(profiles), known=np.array([0]))
    rows = np.arange(N_TYPES)
    moved = effects.move(profiles.shares[rows], rows, np.random.default_rng(0))
    np.testing.assert_allclose(moved, profiles.shares[rows], rtol=1e-6)


def test_studies_with_few_shared_types_are_not_known(profiles):
    few = replace(
        profiles, terms=(*profiles.terms[:N_TYPES], *(f"CL:{i:07}" for i in range(90, 98)))
    )
    effects = study_effects(few)
    assert not len(effects.known)
    assert not effects.effects.any()
    rates = few.shares[:2]
    assert effects.move(rates, np.arange(2), np.random.default_rng(0)) is rates
