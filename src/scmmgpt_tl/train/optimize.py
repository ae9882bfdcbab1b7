"""How learning rates rise and fall, and in which precision this is fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

if TYPE_CHECKING:
    from torch.optim import Optimizer

WARM_UP = 100
LAST_RATE = 0.02


def cosine(optimizer: Optimizer, steps: int) -> LRScheduler:
    """Return a schedule that rises for at most 100 steps, then falls as a cosine does."""
    warm_up = min(WARM_UP, max(steps // 10, 1))

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        done = (step - warm_up) / max(steps - warm_up, 1)
        return float(LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + np.cos(np.pi * done)))

    return LambdaLR(optimizer, factor)


def one_cycle(optimizer: Optimizer, steps: int) -> LRScheduler:
    """Return a schedule that rises to each group's rate within a twentieth of the steps."""
    rates = [group["lr"] for group in optimizer.param_groups]
    # Where the rise is one step long torch divides by zero; short runs rise for longer.
    rise = 0.05 if steps >= 40 else 0.3
    return OneCycleLR(optimizer, rates, total_steps=max(steps, 1), pct_start=rise)


def fast_bfloat16() -> bool:
    """Whether the processor itself knows bfloat16; without, it is emulated, several times slower."""
    known = torch.cpu.get_capabilities()
    return bool(known.get("amx_bf16") or known.get("avx512_bf16"))
