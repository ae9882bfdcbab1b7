"""Batches as a function of the step: the same for any number of processes, and after a restart."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import torch
from torch import distributed
from torch.distributed.nn.functional import all_gather
from torch.utils.data import IterableDataset

from .draw import Drawn
from .entering import enter
from .prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scmmgpt_tl.model.encoders import CellEncoder

    from .draw import CellSource
    from .entering import Entering

T = TypeVar("T")


class Batch(NamedTuple):
    """Training cells of one process, in equal parts one after the other."""

    cells: Entering
    term: torch.Tensor  # (cells,) index into the types
    profile: torch.Tensor  # (cells,) profile drawn from, -1 for cells drawn from none

    @classmethod
    def of(cls, drawn: Drawn, encoder: CellEncoder) -> Batch:
        """Let drawn cells enter an encoder."""
        cells = enter(encoder, drawn.counts, drawn.measured)
        return cls(cells, torch.from_numpy(drawn.term), torch.from_numpy(drawn.profile))


class Batches(IterableDataset[T]):
    """Endless batches, made ahead of time.

    Parameters
    ----------
    make
        From the number of a step to its batch; all randomness comes from that number.
    first
        Says, when the walk begins, at which step it does.
    """

    def __init__(self, make: Callable[[int], T], *, first: Callable[[], int]) -> None:
        self._make, self._first = make, first

    def __iter__(self) -> Iterator[T]:
        return prefetch(self._make(step) for step in count(self._first()))


def own_parts(n_parts: int) -> range:
    """Return which parts of every batch this process works on.

    Raises
    ------
    ValueError
        If the parts cannot be dealt out evenly.
    """
    rank, world = _place()
    if n_parts % world:
        msg = (
            f"`parts` is {n_parts}, which {world} processes cannot share evenly. Choose a multiple."
        )
        raise ValueError(msg)
    return range(rank, n_parts, world)


def draw_batch(source: CellSource, n: int, *, parts: int, seed: tuple[int, ...]) -> Drawn:
    """Draw this process's parts of a batch.

    Parameters
    ----------
    source
        Draws cells.
    n
        Cells of the whole batch, a multiple of `parts`.
    parts
        Each part has randomness of its own, so that it is the same whoever draws it.
    seed
        Numbers of the run, the phase and the step.
    """
    *run, step = seed
    return Drawn.joined(
        [
            source.draw(n // parts, np.random.default_rng([*seed, part]), at=(*run, part, step))
            for part in own_parts(parts)
        ]
    )


def gather(tensor: torch.Tensor) -> torch.Tensor:
    """Return the rows of all processes, open to gradients; alone, the rows themselves."""
    return torch.cat(all_gather(tensor)) if _place()[1] > 1 else tensor


def mean_over_all(mean: torch.Tensor, n: int) -> torch.Tensor:
    """Weigh a mean over `n` items so that averaging over processes is the mean over all items."""
    world = _place()[1]
    if world == 1:
        return mean
    total = torch.tensor(float(n), device=mean.device)
    distributed.all_reduce(total)
    return mean * (n * world / total)


def _place() -> tuple[int, int]:
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
