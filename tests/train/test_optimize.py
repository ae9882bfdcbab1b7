from __future__ import annotations

from math import cos, pi

import numpy as np
import pytest
import torch

from scmmgpt_tl.train.optimize import cosine, one_cycle


def rates(schedule, steps: int) -> list[float]:
    optimizer = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=1.0)
    found = schedule(optimizer, steps)
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        # Lightning asks after the last step as well.
        found.step()
    return values


@pytest.mark.parametrize("steps", [1, 9, 40, 700, 3000])
def test_cosine(steps):
    warm_up = min(100, max(steps // 10, 1))
    expected = [
        (i + 1) / warm_up
        if i < warm_up
        else 0.02 + 0.49 * (1 + cos(pi * (i - warm_up) / (steps - warm_up)))
        for i in range(steps)
    ]
    np.testing.assert_allclose(rates(cosine, steps), expected, rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 20, 40, 450])
def test_one_cycle_rises_once_to_the_rate(steps):
    found = rates(one_cycle, steps)
    peak = int(np.argmax(found))
    assert len(found) == steps
    assert max(found) <= 1 + 1e-9
    assert (np.diff(found[: peak + 1]) > 0).all()
    assert (np.diff(found[peak:]) < 0).all()
    if steps >= 40:
        assert max(found) > 0.95
        assert peak <= steps // 20
