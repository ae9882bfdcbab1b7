from __future__ import annotations

import threading
from itertools import count, islice

import pytest

from scmmgpt_tl.train.prefetch import prefetch


@pytest.mark.parametrize("ahead", [1, 4, 50])
def test_everything_comes_in_order(ahead):
    assert list(prefetch(range(20), ahead=ahead)) == list(range(20))


def test_no_more_is_made_than_is_kept_ready():
    made = []
    batches = prefetch((made.append(i) or i for i in count()), ahead=2)
    assert list(islice(batches, 3)) == [0, 1, 2]
    batches.close()
    # Three were taken, two are ready, and one waits for room.
    assert len(made) <= 6


def test_what_making_raises_is_raised_here():
    def numbers():
        yield from (0, 1)
        msg = "no more cells"
        raise KeyError(msg)

    batches = prefetch(numbers())
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(KeyError, match="no more cells"):
        next(batches)


def test_the_thread_ends_where_the_loop_does():
    before = threading.active_count()
    batches = prefetch(count(), ahead=1)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_none_at_all():
    assert list(prefetch(())) == []
