"""Batches ahead of the one that is worked on, each on a core of its own."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from .runner import Encoder

# What follows in order on one thread takes an eighth of the time: more lanes would wait for it.
_MOST = 8


def count_lanes(model: Encoder) -> int:
    """Return how many batches to encode at once.

    Short products are not worth sharing: two cores that take a batch each encoded 1.1 to 1.3 times
    as many cells a second, with the shipped model and with scGPT as published, as two cores that
    work on the same batch.

    Parameters
    ----------
    model
        Encodes them.
    """
    if model.device.type != "cpu" or not model.core_a_batch:
        return 1
    return min(torch.get_num_threads(), _MOST)


def encode_ahead(
    model: Encoder,
    batches: Iterable[csr_matrix],
    measured: NDArray[Any] | None,
    *,
    n_lanes: int,
) -> Generator[tuple[csr_matrix, Callable[[], Any]], None, None]:
    """Yield each batch, in order, with a function that returns or raises what encoding it gave.

    A batch is to be asked for before the next one is taken, and the generator to be closed: torch's
    threads are shared out to the lanes until then.

    Parameters
    ----------
    model
        Encodes them.
    batches
        Counts, (cells, genes) each.
    measured
        Which genes the data set measured, (genes,).
    n_lanes
        How many are encoded at once; one is encoded when its states are asked for.
    """

    @torch.inference_mode()
    def encode(batch: csr_matrix) -> Any:
        return model.encode_cells(batch, measured)

    if n_lanes == 1:
        for batch in batches:
            yield batch, partial(encode, batch)
        return
    n_threads = torch.get_num_threads()
    share = partial(torch.set_num_threads, max(n_threads // n_lanes, 1))
    pool = ThreadPoolExecutor(n_lanes, thread_name_prefix="scmm-lane", initializer=share)
    ahead: deque[tuple[csr_matrix, Callable[[], Any]]] = deque()
    try:
        for batch in batches:
            ahead.append((batch, pool.submit(encode, batch).result))
            if len(ahead) > n_lanes:
                yield ahead.popleft()
        while ahead:
            yield ahead.popleft()
    finally:
        pool.shutdown(cancel_futures=True)
        # Each thread has a number of its own, but the library of products one for all.
        torch.set_num_threads(n_threads)
