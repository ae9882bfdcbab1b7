from __future__ import annotations

import threading
from itertools import count

import pytest

from scmmgpt_tl.train.prefetch import prefetch


@pytest.mark.parametrize("ahead", [1, 4, 50])
def test_everything_comes_in_order(ahead):
    numbers = count()
    assert list(prefetch(lambda: next(numbers), 20, ahead=ahead)) == list(range(20))


def test_nothing_is_drawn_beyond_what_was_asked_for():
    numbers = count()
    list(prefetch(lambda: next(numbers), 5))
    assert next(numbers) == 5


def test_what_drawing_raises_is_raised_here():
    numbers = count()

    def draw():
        number = next(numbers)
        if number == 2:
            msg = "no more cells"
            raise KeyError(msg)
        return number

    batches = prefetch(draw, 10)
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(KeyError, match="no more cells"):
        next(batches)


def test_the_thread_ends_where_the_loop_does():
    before = threading.active_count()
    batches = prefetch(lambda: 0, 1000, ahead=1)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_none_at_all():
    assert list(prefetch(lambda: 0, 0)) == []
