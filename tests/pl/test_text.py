"""Text is broken to fit, and texts are moved off each other."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scmmgpt_tl.pl._text import name_points, spread, text_width, wrap

TEXT = "naive thymus-derived CD4-positive, alpha-beta T cell"


@pytest.mark.parametrize("width", [0.8, 1.5, 3.0, 10.0])
def test_lines_fit_and_nothing_is_lost(width):
    lines = wrap(TEXT, width=width, size=9)
    assert all(text_width(line, size=9) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == TEXT.replace(" ", "")


def test_wide_word_is_broken():
    lines = wrap("a" * 200, width=1.0, size=9)
    assert "".join(lines) == "a" * 200
    assert all(text_width(line, size=9) <= 1.0 for line in lines)


@pytest.mark.parametrize("text", ["", "   "])
def test_no_text_is_no_line(text):
    assert wrap(text, width=1.0, size=9) == []


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 400), st.floats(0, 300), st.floats(5, 60), st.floats(5, 20)),
        min_size=1,
        max_size=8,
    )
)
def test_boxes_are_parted(boxes):
    x, y, width, height = np.array(boxes).T
    before = np.stack([x, y, x + width, y + height], axis=1)
    shifts = spread(before, frame=np.array([-1000.0, -1000.0, 1500.0, 1500.0]))
    after = before + np.tile(shifts, 2)
    for a, b in combinations(after, 2):
        overlap = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
        assert (overlap < 1e-2).any()


def test_boxes_that_do_not_touch_stay():
    boxes = np.array([[0.0, 0, 1, 1], [5, 5, 6, 6]])
    np.testing.assert_array_equal(spread(boxes, frame=np.array([-9.0, -9, 9, 9])), np.zeros((2, 2)))


def scatter(at: np.ndarray):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(5, 5))
    ax.scatter(*at.T)
    return ax


def test_names_where_there_is_room():
    cells = np.random.default_rng(0).uniform(size=(500, 2))
    at = np.array([[0.1, 0.1], [0.9, 0.9]])
    ax = scatter(cells)
    assert name_points(ax, ["T cell", "B cell"], at, cells=cells)
    assert {text.get_text() for text in ax.texts} == {"T cell", "B cell"}


def test_numbers_where_there_is_none():
    cells = np.random.default_rng(0).uniform(size=(500, 2))
    at = np.full((6, 2), 0.5)
    ax = scatter(cells)
    assert not name_points(ax, [f"{TEXT} {i}" for i in range(6)], at, cells=cells)
    assert [text.get_text() for text in ax.texts] == ["1", "2", "3", "4", "5", "6"]
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for a, b in combinations([b.padded(-0.5) for b in boxes], 2))


def test_no_names():
    assert name_points(scatter(np.zeros((3, 2))), [], np.zeros((0, 2)), cells=np.zeros((3, 2)))
