"""Batches made by a thread of their own, a few ahead of the loop that learns from them."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")
# How often a thread that waits for room looks whether anyone still wants its batches.
PATIENCE = 0.2


class _End:
    """Comes after the last batch."""


def prefetch(batches: Iterable[T], *, ahead: int = 4) -> Iterator[T]:
    """Walk through `batches` in one thread and yield them here, in order.

    Parameters
    ----------
    batches
        What making one raises is raised here.
    ahead
        Batches kept ready.

    Examples
    --------
    >>> list(prefetch(range(3)))
    [0, 1, 2]
    """
    ready: queue.Queue[T | BaseException | _End] = queue.Queue(maxsize=ahead)
    unwanted = threading.Event()
    work = threading.Thread(target=_work, args=(batches, ready, unwanted), daemon=True)
    work.start()
    try:
        while not isinstance(found := ready.get(), _End):
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        unwanted.set()
        work.join()


def _work(
    batches: Iterable[T],
    ready: queue.Queue[T | BaseException | _End],
    unwanted: threading.Event,
) -> None:
    try:
        for batch in batches:
            if not _put(batch, ready, unwanted):
                return
    except BaseException as error:  # noqa: BLE001 - it is raised again where the batch is awaited
        _put(error, ready, unwanted)
    else:
        _put(_End(), ready, unwanted)


def _put(
    found: T | BaseException | _End,
    ready: queue.Queue[T | BaseException | _End],
    unwanted: threading.Event,
) -> bool:
    while not unwanted.is_set():
        try:
            ready.put(found, timeout=PATIENCE)
        except queue.Full:
            continue
        return True
    return False
