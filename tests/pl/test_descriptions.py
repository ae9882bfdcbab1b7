"""Cards of descriptions."""

from __future__ import annotations

from itertools import combinations

import pandas as pd
import pytest

from scmmgpt_tl import pl
from scmmgpt_tl.pl._cards import PADDING, Card, lay_out
from scmmgpt_tl.pl._descriptions import MOST_CARDS, descriptions_data
from scmmgpt_tl.pl._text import text_width

KEY = "scmm_description"


def cards(n: int) -> list[Card]:
    long = "These cells express genes of the T cell receptor complex. "
    return [
        Card(f"{i}", 10 * i, "alpha-beta T cell", "CL:0000789", 0.5, long * i, "CD3D, CD3E", "cell")
        for i in range(1, n + 1)
    ]


def test_groups_asked_for_in_their_order(adata):
    assert list(descriptions_data(adata, key=KEY, groups=["2", "0"])["group"]) == ["2", "0"]
    assert list(descriptions_data(adata, key=KEY)["group"]) == ["0", "1", "2", "3"]


def test_no_more_than_a_page(adata):
    groups = adata.uns[KEY]["groups"]
    many = pd.concat([groups] * 5, ignore_index=True)
    many["group"] = [f"g{i}" for i in range(20)]
    many.index = many.index.astype(str)
    adata.uns[KEY]["groups"] = many
    assert len(descriptions_data(adata, key=KEY)) == MOST_CARDS


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("scale", [1.0, 0.6])
def test_nothing_leaves_its_card(columns, scale):
    grid = lay_out(cards(7), columns=columns, width=4.0, scale=scale)
    for laid in grid.cards:
        for line in laid.lines:
            right = line.x + text_width(line.text, size=line.size, weight=line.weight)
            assert right <= grid.each - PADDING + 1e-6
            assert line.y + line.size / 72 <= laid.height
        assert laid.x + grid.each < grid.width
        assert laid.y + laid.height < grid.height


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_cards_do_not_overlap(columns):
    grid = lay_out(cards(7), columns=columns, width=4.0)
    for a, b in combinations(grid.cards, 2):
        apart_x = abs(a.x - b.x) > grid.each
        apart_y = a.y + a.height < b.y or b.y + b.height < a.y
        assert apart_x or apart_y


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_figure_holds_all_text(adata, n):
    figure = pl.descriptions(adata, groups=list("0123")[:n], return_fig=True)
    figure.canvas.draw()
    texts = figure.axes[0].texts
    frame = figure.bbox.padded(1)
    boxes = [text.get_window_extent() for text in texts]
    assert all(frame.contains(*box.min) and frame.contains(*box.max) for box in boxes)
    assert {"GENES", "LINEAGE"} <= {text.get_text() for text in texts}


def test_group_without_score_or_lineage(adata):
    ax = pl.descriptions(adata, groups=["3"], show=False)
    texts = [text.get_text() for text in ax.texts]
    assert "no score" in texts
    assert "LINEAGE" not in texts
    assert any("1 cell" in text and "cells" not in text for text in texts)


def test_unknown_group(adata):
    with pytest.raises(ValueError, match=r"no group \['9'\]"):
        pl.descriptions(adata, groups=["9"])


def test_missing_descriptions(adata):
    with pytest.raises(ValueError, match=r"Run `scmm.tl.describe"):
        pl.descriptions(adata, key="other")
