"""Blocks of counts: read by one thread ahead of the network, cut into batches of one size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from scipy.sparse import csr_matrix, vstack

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator


def read_ahead(blocks: Iterable[csr_matrix]) -> Generator[csr_matrix, None, None]:
    """Yield blocks while a thread reads the next one."""
    iterator = iter(blocks)
    with ThreadPoolExecutor(1, thread_name_prefix="scmm-read") as pool:
        pending = pool.submit(next, iterator, None)
        while (block := pending.result()) is not None:
            pending = pool.submit(next, iterator, None)
            yield block


def rebatch(blocks: Iterable[csr_matrix], size: int) -> Iterator[csr_matrix]:
    """Cut blocks of any number of rows into batches of ``size``; the last may be smaller."""
    held: list[csr_matrix] = []
    for block in blocks:
        held.append(block)
        n_rows = sum(part.shape[0] for part in held)
        if n_rows < size:
            continue
        joined = vstack(held, format="csr") if len(held) > 1 else block
        full = n_rows - n_rows % size
        for start in range(0, full, size):
            yield joined[start : start + size]
        held = [joined[full:]]
    if sum(part.shape[0] for part in held):
        yield vstack(held, format="csr")
