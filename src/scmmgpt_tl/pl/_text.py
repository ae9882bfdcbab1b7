"""Text that fits: measured wrapping, and names on a scatter that keep out of each other's way."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from numpy.typing import NDArray


def text_width(text: str, *, size: float, weight: str = "normal") -> float:
    """Measure one line of `text` set in `size` points.

    Returns
    -------
    Its width in inches.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=size, weight=weight)
    width = text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
    # Letters drawn on a grid of pixels come out a little wider than their outlines.
    return 1.03 * float(width) / 72


def wrap(text: str, *, width: float, size: float, weight: str = "normal") -> list[str]:
    """Break `text` at its spaces into lines of at most `width` inches.

    A single word that is wider is broken between its letters.

    Examples
    --------
    >>> wrap("naive thymus-derived CD4 T cell", width=1.2, size=10)
    ['naive', 'thymus-derived', 'CD4 T cell']
    """

    def fits(line: str) -> bool:
        return text_width(line, size=size, weight=weight) <= width

    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if fits(longer):
            line = longer
            continue
        if line:
            lines.append(line)
        *full, line = _broken(word, fits(word), width=width, size=size)
        lines += full
    return [*lines, line] if line else lines


def _broken(word: str, fits: bool, *, width: float, size: float) -> list[str]:  # noqa: FBT001
    if fits:
        return [word]
    letters = max(1, int(len(word) * width / text_width(word, size=size)) - 1)
    return [word[start : start + letters] for start in range(0, len(word), letters)]


def name_points(
    ax: Axes, names: Sequence[str], at: NDArray[np.float64], *, cells: NDArray[np.float64]
) -> bool:
    """Write names on a scatter, or their numbers where names would be in each other's way.

    Parameters
    ----------
    ax
        The scatter, already drawn and with its legend.
    names
        What to write.
    at
        Where to, in data coordinates `(n, 2)`.
    cells
        The points of the scatter, which names should not hide, `(m, 2)`.

    Returns
    -------
    Whether the names stand there; else it is the numbers from 1 on, in the order of `names`.
    """
    lines = ["\n".join(wrap(name, width=1.15, size=8)) for name in names]
    texts = _write(ax, lines, at, size=8)
    shifts = _part(ax, texts, at)
    # A name further than a line from its cells is taken for the name of others.
    near = np.hypot(*shifts.T).max(initial=0) <= _pixels(ax, points=8)
    if near and _hidden(ax, texts, cells) <= 0.2:
        return True
    for text in texts:
        text.remove()
    _part(ax, _write(ax, [str(i + 1) for i in range(len(names))], at, size=9), at)
    return False


def _write(ax: Axes, lines: list[str], at: NDArray[np.float64], *, size: float) -> list[Text]:
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground="white", alpha=0.9)]
    style = {"size": size, "weight": "bold", "ha": "center", "va": "center", "linespacing": 0.95}
    texts = [
        ax.text(x, y, line, parse_math=False, path_effects=halo, zorder=5, **style)
        for line, (x, y) in zip(lines, at, strict=True)
    ]
    # They move with the panel; the layout that places the panel must not wait for them.
    for text in texts:
        text.set_in_layout(False)
    return texts


def _part(ax: Axes, texts: list[Text], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move texts off each other; tell how far, in pixels."""
    figure = ax.get_figure(root=True)
    if not texts or figure is None:
        return np.zeros((0, 2))
    figure.draw_without_rendering()
    boxes = np.array([text.get_window_extent().extents for text in texts])
    shifts = spread(boxes, frame=np.array(ax.get_window_extent().extents))
    ends = ax.transData.inverted().transform(ax.transData.transform(at) + shifts)
    for text, end in zip(texts, ends, strict=True):
        text.set_position(end)
    return shifts


def _hidden(ax: Axes, texts: list[Text], cells: NDArray[np.float64]) -> float:
    """Tell which share of the cells lies under texts."""
    at = ax.transData.transform(cells)
    under = [_inside(text.get_window_extent().extents, at) for text in texts]
    return float(np.mean(np.any(under, axis=0))) if texts else 0.0


def _inside(box: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.all((at >= box[:2]) & (at <= box[2:]), axis=1)
    return inside


def _pixels(ax: Axes, *, points: float) -> float:
    return points / 72 * ax.get_figure(root=True).dpi


def spread(boxes: NDArray[np.float64], *, frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the shifts that part overlapping boxes and keep them in a frame.

    Every round, two boxes that overlap are pushed apart along the axis on which they overlap less,
    half the overlap each; then every box is pushed back into the frame.

    Parameters
    ----------
    boxes
        Left, bottom, right and top of each box, `(n, 4)`.
    frame
        The same of the frame, `(4,)`.

    Returns
    -------
    Shifts in x and y, `(n, 2)`.

    Examples
    --------
    >>> spread(np.array([[0.0, 0, 4, 2], [1, 1, 5, 3]]), frame=np.array([-9.0, -9, 9, 9])).round(1)
    array([[ 0. , -0.5],
           [ 0. ,  0.5]])
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    low, high = frame[:2] + half, frame[2:] - half
    moved = centre.copy()
    for _ in range(300):
        calm = True
        for i, j in combinations(range(len(moved)), 2):
            gap = moved[j] - moved[i]
            overlap = half[i] + half[j] - np.abs(gap)
            if (overlap <= 1e-9).any():
                continue
            calm = False
            axis = int(np.argmin(overlap))
            push = overlap[axis] / 2 * (1 if gap[axis] >= 0 else -1)
            moved[i, axis] -= push
            moved[j, axis] += push
        moved = np.clip(moved, np.minimum(low, centre), np.maximum(high, centre))
        if calm:
            break
    return moved - centre
