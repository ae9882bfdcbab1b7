"""How much there is to compute for a cell, and how much a chip can: what bounds speed from below."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from scipy.sparse import csr_matrix

# Side of the matrices that are multiplied, and how often; the quickest counts.
SIDES, ROUNDS = {"cpu": 1024, "cuda": 8192}, 7


def flops_a_cell(model: Any, rows: csr_matrix) -> float:
    """Count the floating-point operations of matrix products while cells are encoded.

    A multiplication and an addition are two. They are counted as torch carries them out, so that
    they follow from the architecture, the genes of the cells and the padding between these. Sums
    over the genes of a cell count, too; normalisation, activations and softmax do not.

    Parameters
    ----------
    model
        What encodes them.
    rows
        Counts of some cells, (cells, genes of the model).
    """
    bag = torch.ops.aten
    sums: dict[Any, Any] = {
        bag._embedding_bag.default: _bag_flops,
        bag._embedding_bag_forward_only.default: _bag_flops,
    }
    # Fused attention is counted by what it stands for.
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False, custom_mapping=sums) as counter,
    ):
        model.encode_cells(rows)
    return counter.get_total_flops() / rows.shape[0]


def peak_flops(device: str, dtype: torch.dtype) -> float:
    """Measure the floating-point operations a second of a product of large square matrices.

    On a CPU these are seconds of the CPU and not of the clock, which other work may take.

    Parameters
    ----------
    device
        Where.
    dtype
        Of the matrices.
    """
    side = SIDES[torch.device(device).type]
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    left @ right
    return 2 * side**3 / min(seconds(lambda: left @ right, device) for _ in range(ROUNDS))


def seconds(work: Callable[[], object], device: str) -> float:
    """Time some work: by the clock of a GPU, by the time of the CPU on a CPU.

    Parameters
    ----------
    work
        What to do.
    device
        Where it is done.
    """
    if torch.device(device).type != "cuda":
        start = time.process_time()
        work()
        return time.process_time() - start
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _bag_flops(weight: Any, indices: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """Each gene is multiplied by its value and added."""
    return int(2 * np.prod(indices) * weight[1])
