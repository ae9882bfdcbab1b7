"""Cells of like length together, so that little is computed on padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

# Places (tokens and padding) of a pass of a network as large as scGPT as published. One cell of
# some hundred genes keeps a core busy; more of them would only add padding.
_BUDGETS = {"cpu": 512, "cuda": 131_072, "mps": 32_768}


def places_at_once(device: torch.device, network: object = None) -> int:
    """Return how many places, padding among them, are best sent through a network together.

    Parameters
    ----------
    device
        Where it runs.
    network
        One whose places take more memory than those of scGPT as published, 12 layers of width 512,
        says how many times more in its `place_cost`.

    Examples
    --------
    >>> places_at_once(torch.device("cpu"))
    512
    """
    return max(int(_BUDGETS.get(device.type, _BUDGETS["cpu"]) / _place_cost(network)), 1)


def suits_a_core(network: object) -> bool:
    """Tell whether each core of a CPU had better have cells of its own than share one.

    Parameters
    ----------
    network
        Above what a place of scGPT costs, cores that work on a cell each take much memory and gain
        nothing: products are large enough to be shared.
    """
    return _place_cost(network) <= 1


def _place_cost(network: object) -> float:
    return getattr(network, "place_cost", 1.0)


def buckets(lengths: torch.Tensor, *, budget: int) -> Iterator[torch.Tensor]:
    """Share cells out, the longest first.

    Parameters
    ----------
    lengths
        Tokens of each cell, (cells,).
    budget
        Most places in a bucket, padding among them; a longer cell is alone in its own.

    Yields
    ------
    Places of the cells of a bucket.

    Examples
    --------
    >>> [cells.tolist() for cells in buckets(torch.tensor([2, 9, 3, 8]), budget=18)]
    [[1, 3], [2, 0]]
    """
    # Longest first: memory that runs out does so at once.
    order = torch.argsort(lengths, descending=True, stable=True)
    start = 0
    while start < len(order):
        longest = max(int(lengths[order[start]]), 1)
        stop = start + max(budget // longest, 1)
        yield order[start:stop]
        start = stop
