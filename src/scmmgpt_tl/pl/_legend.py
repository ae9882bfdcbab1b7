"""The legend beside a panel of cells: what each colour stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._figure import INK
from ._text import wrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

WIDTH, SIZE = 2.3, 8


def draw_legend(ax: Axes, entries: Mapping[str, str], *, title: str | None = None) -> Legend:
    """Draw a legend to the right of a panel.

    Parameters
    ----------
    ax
        The panel.
    entries
        Colour of each text, from the top down; long texts are wrapped.
    title
        What stands above them.
    """
    from matplotlib.lines import Line2D

    legend = ax.legend(
        [Line2D([], [], marker="o", linestyle="", markersize=6, color=c) for c in entries.values()],
        ["\n".join(wrap(text, width=WIDTH, size=SIZE)) for text in entries],
        title=title,
        title_fontsize=SIZE,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        fontsize=SIZE,
        labelcolor=INK,
        handletextpad=0.3,
        labelspacing=0.55,
        borderaxespad=0,
    )
    # A name may hold a dollar sign.
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend
