"""Showing, giving back, and drawing where one is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scanpy as sc
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from scmmgpt_tl import pl
from scmmgpt_tl.pl._figure import OTHERS, PALETTE, UNKNOWN, point_size

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAW = {
    "embedding": lambda adata, **kwargs: pl.embedding(adata, panel="label", **kwargs),
    "scores": lambda adata, **kwargs: pl.scores(adata, "group", **kwargs),
    "support": pl.support,
    "search": pl.search,
    "descriptions": pl.descriptions,
}
every_plot = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW.keys())


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record calls of `plt.show`, which cannot show anything here."""
    calls: list[int] = []
    monkeypatch.setattr(plt, "show", lambda: calls.append(1))
    return calls


@every_plot
def test_what_comes_back(adata, shown, draw):
    assert isinstance(draw(adata, show=False), Axes)
    assert isinstance(draw(adata, return_fig=True), Figure)
    assert shown == []
    assert draw(adata, show=True) is None
    assert shown == [1]


@pytest.fixture
def autoshow() -> Iterator[None]:
    """Put scanpy's setting back; it is a property that `monkeypatch` cannot undo."""
    before = sc.settings.autoshow
    yield
    sc.settings.autoshow = before


@every_plot
@pytest.mark.usefixtures("autoshow")
def test_show_asks_scanpy(adata, shown, draw):
    sc.settings.autoshow = False
    assert isinstance(draw(adata), Axes)
    sc.settings.autoshow = True
    assert draw(adata) is None
    assert shown == [1]


@every_plot
def test_axes_given_are_drawn_on(adata, draw):
    figure, ax = plt.subplots(figsize=(8, 6))
    assert draw(adata, ax=ax, show=False) is ax
    assert ax.get_figure() is figure
    assert ax.has_data() or ax.texts or ax.patches


@every_plot
def test_picture_does_not_change_the_data(adata, draw):
    before = adata.copy()
    draw(adata, show=False)
    assert list(adata.uns) == list(before.uns)
    assert adata.obs.equals(before.obs)


@every_plot
def test_picture_is_not_empty(adata, draw):
    figure = draw(adata, return_fig=True)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def test_points_shrink_with_their_number():
    sizes = [point_size(n) for n in (0, 10, 1_000, 10_000, 1_000_000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 0


def test_colours_differ():
    table = np.array([to_rgb(colour) for colour in (*PALETTE, OTHERS, UNKNOWN)])
    apart = np.abs(table[:, None] - table[None]).sum(axis=2)
    assert apart[~np.eye(len(table), dtype=bool)].min() > 0.15
