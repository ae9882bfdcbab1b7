"""Batches drawn by a thread of their own, a few ahead of the loop that learns from them."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
# How often a thread that waits for room looks whether anyone still wants its batches.
PATIENCE = 0.2


def prefetch(draw: Callable[[], T], n: int, *, ahead: int = 4) -> Iterator[T]:
    """Call `draw` `n` times in one thread and yield what it returns, in order.

    Parameters
    ----------
    draw
        Makes one batch; what it raises is raised here.
    n
        Number of batches.
    ahead
        Batches kept ready.

    Examples
    --------
    >>> from itertools import count
    >>> numbers = count()
    >>> list(prefetch(lambda: next(numbers), 3))
    [0, 1, 2]
    """
    ready: queue.Queue[T | BaseException] = queue.Queue(maxsize=ahead)
    unwanted = threading.Event()
    work = threading.Thread(target=_work, args=(draw, n, ready, unwanted), daemon=True)
    work.start()
    try:
        for _ in range(n):
            found = ready.get()
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        unwanted.set()
        work.join()


def _work(
    draw: Callable[[], T],
    n: int,
    ready: queue.Queue[T | BaseException],
    unwanted: threading.Event,
) -> None:
    for _ in range(n):
        try:
            found: T | BaseException = draw()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the batch is awaited
            found = error
        if not _put(found, ready, unwanted) or isinstance(found, BaseException):
            return


def _put(
    found: T | BaseException, ready: queue.Queue[T | BaseException], unwanted: threading.Event
) -> bool:
    while not unwanted.is_set():
        try:
            ready.put(found, timeout=PATIENCE)
        except queue.Full:
            continue
        return True
    return False
