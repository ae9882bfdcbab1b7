from __future__ import annotations

import csv
from math import cos, pi

import numpy as np
import pytest
import torch

from scmmgpt_tl.train.optimize import Descent, cosine, fit, one_cycle


def descent(rate: float, steps: int, schedule=one_cycle) -> Descent:
    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(module.weight, 4.0)
    optimizer = torch.optim.SGD(module.parameters(), lr=rate)
    return Descent(module, optimizer, schedule(optimizer, steps))


def rates(schedule, steps: int) -> list[float]:
    found = descent(1.0, steps, schedule)
    values = []
    for _ in range(steps):
        values.append(found.optimizer.param_groups[0]["lr"])
        found.optimizer.step()
        if len(values) < steps:
            found.schedule.step()
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


def test_a_step_is_clipped():
    one = descent(1.0, 10, cosine)
    one.step(1000 * one.module.weight.sum())
    assert one.module.weight.item() == pytest.approx(4.0 - 1.0, abs=1e-4)


def test_fit_finds_the_minimum_and_writes_the_curve(tmp_path):
    one = descent(0.5, 60)
    fit(one, lambda: (one.module.weight - 3.0).square().sum(), steps=60, curve=tmp_path / "c.csv")
    assert one.module.weight.item() == pytest.approx(3.0, abs=0.05)
    with (tmp_path / "c.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [int(row["step"]) for row in rows] == [0, 10, 20, 30, 40, 50]
    assert float(rows[0]["loss"]) == pytest.approx(1.0)
    assert float(rows[-1]["loss"]) < 0.05
