"""One step of gradient descent, the same in both stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from .curve import EVERY, Curve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WARM_UP = 100
LAST_RATE = 0.02
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class Descent:
    """Parameters and how they move.

    Parameters
    ----------
    module
        Network whose gradient is kept from growing above `LARGEST_GRADIENT`.
    optimizer, schedule
        Of torch.
    """

    module: torch.nn.Module
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler

    def step(self, loss: torch.Tensor) -> None:
        """Move all parameters once, down the gradient of `loss`."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        self.schedule.step()


def fit(descent: Descent, loss: Callable[[], torch.Tensor], *, steps: int, curve: Path) -> None:
    """Take `steps` steps, each on a new `loss()`, and write the curve."""
    with Curve(curve, ["loss"]) as log:
        for step in range(steps):
            value = loss()
            descent.step(value)
            if step % EVERY == 0:
                log.write(step, {"loss": value.item()})


def cosine(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    """Return a schedule that rises for at most 100 steps, then falls as a cosine does."""
    warm_up = min(WARM_UP, max(steps // 10, 1))

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        done = (step - warm_up) / max(steps - warm_up, 1)
        return float(LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + np.cos(np.pi * done)))

    return LambdaLR(optimizer, factor)


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    """Return a schedule that rises to each group's rate within a twentieth of the steps."""
    rates = [group["lr"] for group in optimizer.param_groups]
    # Where the rise is one step long torch divides by zero; short runs rise for longer.
    rise = 0.05 if steps >= 40 else 0.3
    return OneCycleLR(optimizer, rates, total_steps=max(steps, 1), pct_start=rise)
