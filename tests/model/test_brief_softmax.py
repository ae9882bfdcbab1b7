from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scmmgpt_tl.model.brief_softmax import softmax_

# Half of the last place of bfloat16, and a little for the exponential.
PRECISION = 2**-8 * 1.02
# Weights below are as good as none.
LEAST = 2.0**-125


def by_torch(weights: torch.Tensor, scale: float) -> torch.Tensor:
    return (weights.double() * scale).softmax(-1)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_rows=st.integers(1, 5),
    n_columns=st.integers(1, 70),
    spread=st.sampled_from([0.0, 1e-3, 1.0, 8.0, 100.0, 1e4]),
    shift=st.sampled_from([-1e3, -3.0, 0.0, 3.0, 1e3]),
    scale=st.sampled_from([0.125, 0.5, 1.0]),
)
def test_is_the_softmax(seed, n_rows, n_columns, spread, shift, scale):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(n_rows, n_columns, generator=generator) * spread + shift
    weights = weights.bfloat16()
    expected = by_torch(weights, scale)
    softmax_(weights, scale)
    torch.testing.assert_close(weights.double(), expected, rtol=PRECISION, atol=LEAST)


def test_rounds_to_the_nearest():
    weights = torch.randn(50, 800, generator=torch.Generator().manual_seed(0)).bfloat16()
    expected = by_torch(weights, 1.0)
    softmax_(weights, 1.0)
    # Nothing leans to one side: a lean would add up over all genes of a cell.
    assert (weights.double() / expected).mean().item() == pytest.approx(1, abs=1e-4)
    assert (weights == expected.bfloat16()).double().mean() > 0.95


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 3, 8])
def test_what_is_not_finite_is_not_hidden(bad, sign, place):
    weights = torch.zeros(3, 9, dtype=torch.bfloat16)
    weights[1, place] = np.copysign(bad, sign)
    softmax_(weights, 0.125)
    assert weights[1].isnan().all()
    assert torch.allclose(weights[[0, 2]].float(), torch.tensor(1 / 9), rtol=PRECISION)


def test_nothing_to_do():
    softmax_(torch.empty(0, 4, dtype=torch.bfloat16), 1.0)
    softmax_(torch.empty(4, 0, dtype=torch.bfloat16), 1.0)
