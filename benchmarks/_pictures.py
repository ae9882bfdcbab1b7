"""Pictures of results, in one style."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# Okabe and Ito: told apart by everyone.
COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#999999",
    "#F0E442",
    "#332288",
)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure that needs no display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def dots(
    ax: Axes, found: pd.DataFrame, *, place: Mapping[str, int], names: Mapping[str, str], what: str
) -> None:
    """Draw one dot for each data set and method, with its interval where there is one.

    Parameters
    ----------
    ax
        Where.
    found
        Columns `data_set`, `method`, `what`, and its `_low` and `_high`.
    place
        Line of each data set.
    names
        Methods in order, and what they are called.
    what
        Column to draw.
    """
    methods = [name for name in names if name in set(found["method"])]
    step = 0.8 / max(len(methods), 1)
    for i, method in enumerate(methods):
        own = found[(found["method"] == method) & found["data_set"].isin(list(place))]
        # Side by side, so that no interval hides another.
        y = own["data_set"].map(place).to_numpy() + step * ((len(methods) - 1) / 2 - i)
        style = {"fmt": "o", "ms": 3.5, "lw": 1.0, "label": names[method]}
        style["color"] = COLOURS[list(names).index(method) % len(COLOURS)]
        ax.errorbar(own[what].to_numpy(), y, xerr=_ends(own, what), **style)
    ax.set_yticks(range(len(place)), list(place))
    ax.set_ylim(-0.6, len(place) - 0.4)
    # A correlation may be below zero.
    ax.set_xlim(min(-0.02, found[what].min() - 0.02), 1.02)
    clean(ax)


def lines(
    ax: Axes,
    x: Sequence[float],
    curves: Mapping[str, NDArray[np.float64]],
    *,
    names: Mapping[str, str],
) -> None:
    """Draw one line a method.

    Parameters
    ----------
    ax
        Where.
    x
        Places along the axis.
    curves
        Heights of each method there.
    names
        Methods in order, and what they are called.
    """
    for method in (name for name in names if name in curves):
        colour = COLOURS[list(names).index(method) % len(COLOURS)]
        ax.plot(x, curves[method], "o-", ms=3, lw=1.4, color=colour, label=names[method])
    clean(ax)


def clean(ax: Axes) -> None:
    """Keep a light grid and the two axes that are read."""
    ax.grid(color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Put the legend of the first panel below, and write the picture."""
    handles, texts = figure.axes[0].get_legend_handles_labels()
    # Of long names fewer stand side by side.
    for n_columns in range(min(len(texts), 4), 0, -1):
        legend = figure.legend(
            handles, texts, loc="outside lower center", ncols=n_columns, frameon=False
        )
        if n_columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _ends(own: pd.DataFrame, what: str) -> NDArray[np.float64] | None:
    if f"{what}_low" not in own:
        return None
    x = own[what].to_numpy()
    return np.stack([x - own[f"{what}_low"], own[f"{what}_high"] - x]).clip(min=0)
