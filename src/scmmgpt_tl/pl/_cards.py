"""Cards of text, measured in inches before they are drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._figure import FAINT, INK, PALETTE, UNKNOWN
from ._text import wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Inches between cards, and between a card's edge and its text.
MARGIN, PADDING = 0.18, 0.16
_BAR = 0.9


@dataclass(frozen=True)
class Card:
    """What stands on one card."""

    group: str
    n_cells: int
    label: str
    cl_id: str
    score: float
    description: str
    top_genes: str
    lineage: str


@dataclass(frozen=True)
class Line:
    """One line of text at a place on its card, in inches from the upper left corner."""

    text: str
    x: float
    y: float
    size: float
    colour: str = INK
    weight: str = "normal"
    style: str = "normal"


@dataclass(frozen=True)
class Laid:
    """A card whose lines have their places."""

    card: Card
    lines: tuple[Line, ...]
    height: float
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class Grid:
    """Cards in rows, all as wide, those of a row as high as the highest."""

    cards: tuple[Laid, ...]
    each: float
    width: float
    height: float
    scale: float


@dataclass
class _Cursor:
    """Sets lines one under another."""

    width: float
    scale: float
    y: float = PADDING
    lines: list[Line] = field(default_factory=list)

    def put(self, text: str, *, size: float, narrower: float = 0.0, **style: str) -> None:
        size *= self.scale
        room = self.width - 2 * PADDING - narrower
        for line in wrap(text, width=room, size=size, weight=style.get("weight", "normal")):
            self.lines.append(Line(line, PADDING, self.y, size, **style))
            self.y += 1.3 * size / 72

    def skip(self, points: float) -> None:
        self.y += points * self.scale / 72


def lay_out(cards: list[Card], *, columns: int, width: float, scale: float = 1.0) -> Grid:
    """Break the text of every card into lines and give every card its place.

    Parameters
    ----------
    cards
        What to lay out.
    columns
        Cards beside each other.
    width
        Width of a card in inches.
    scale
        Factor on the size of the letters.

    Returns
    -------
    The cards with their places, and the size of them all.
    """
    laid = [_lay_card(card, width=width, scale=scale) for card in cards]
    placed: list[Laid] = []
    y = MARGIN
    for start in range(0, len(laid), columns):
        row = laid[start : start + columns]
        height = max(card.height for card in row)
        for column, card in enumerate(row):
            x = MARGIN + column * (width + MARGIN)
            placed.append(Laid(card.card, card.lines, height, x, y))
        y += height + MARGIN
    total = MARGIN + min(columns, len(laid)) * (width + MARGIN)
    return Grid(tuple(placed), each=width, width=total, height=y, scale=scale)


def _lay_card(card: Card, *, width: float, scale: float) -> Laid:
    cursor = _Cursor(width, scale)
    cells = "cell" if card.n_cells == 1 else "cells"
    cursor.put(
        f"{card.group}  ·  {card.n_cells:,} {cells}", size=8.5, colour=FAINT, narrower=_BAR + 0.5
    )
    cursor.skip(6)
    known = card.label != "unknown"
    cursor.put(card.label, size=12.5, weight="bold", colour=INK if known else FAINT)
    cursor.put(card.cl_id, size=8, colour=FAINT)
    cursor.skip(6)
    cursor.put(card.description, size=9.5)
    for title, text, style in (
        ("GENES", card.top_genes, "italic"),
        ("LINEAGE", card.lineage.replace(" > ", " \N{RIGHTWARDS ARROW} "), "normal"),
    ):
        if text:
            cursor.skip(7)
            cursor.put(title, size=6.5, colour=FAINT, weight="bold")
            cursor.put(text, size=8.5, style=style)
    return Laid(card, tuple(cursor.lines), cursor.y + PADDING)


def draw_cards(ax: Axes, grid: Grid, *, size: tuple[float, float] | None = None) -> Axes:
    """Draw laid out cards on axes whose unit becomes the inch.

    Parameters
    ----------
    ax
        Where to.
    grid
        What.
    size
        Width and height of the axes in inches, by default those of the grid.

    Returns
    -------
    The axes.
    """
    width, height = size or (grid.width, grid.height)
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    for card in grid.cards:
        _draw_frame(ax, card, grid.each)
        _draw_score(ax, card, grid)
        for line in card.lines:
            ax.text(
                card.x + line.x,
                card.y + line.y,
                line.text,
                size=line.size,
                color=line.colour,
                weight=line.weight,
                style=line.style,
                va="top",
                parse_math=False,
            )
    return ax


def _draw_frame(ax: Axes, card: Laid, width: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    frame = FancyBboxPatch(
        (card.x, card.y),
        width,
        card.height,
        boxstyle="round,pad=0,rounding_size=0.08",
        facecolor="white",
        edgecolor="#BBBBBB",
        linewidth=0.9,
    )
    ax.add_patch(frame)


def _draw_score(ax: Axes, card: Laid, grid: Grid) -> None:
    """Draw the score as a bar and a number in the upper right corner."""
    score = card.card.score
    size = 8.5 * grid.scale
    y = card.y + PADDING + 0.65 * size / 72
    right = card.x + grid.each - PADDING
    known = score == score  # noqa: PLR0124 - a score that is not a number is not drawn as zero
    text = f"{score:.2f}" if known else "no score"
    ax.text(right, y, text, size=size, color=FAINT, ha="right", va="center")
    if known:
        length, thick = _BAR * grid.scale, 0.07 * grid.scale
        start = right - 0.36 * grid.scale - length
        ax.barh(y, length, height=thick, left=start, color=UNKNOWN)
        ax.barh(y, length * min(max(score, 0), 1), height=thick, left=start, color=PALETTE[0])
