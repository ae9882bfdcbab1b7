"""What every picture does alike: where it is drawn, how it is shown, what it gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

Drawn = TypeVar("Drawn")

#: Told apart also by readers who see no red or no green; the commonest label takes the first.
PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#882255",
    "#88CCEE",
    "#D55E00",
    "#332288",
    "#999933",
    "#CC79A7",
    "#01665E",
    "#DDCC77",
    "#8C510A",
)
OTHERS = "#8C8C8C"
UNKNOWN = "#D9D9D9"
INK = "#222222"
FAINT = "#6E6E6E"


def new_axes(n: int = 1, *, ax: Axes | None, size: tuple[float, float]) -> list[Axes]:
    """Give `ax`, or `n` axes side by side in a new figure of `size` inches."""
    import matplotlib.pyplot as plt

    if ax is not None:
        return [ax]
    _, axes = plt.subplots(1, n, figsize=size, layout="constrained", squeeze=False)
    return list(axes[0])


def panels(
    n: int, *, size: tuple[float, float], most_columns: int, share_x: bool = False
) -> list[Axes]:
    """Give `n` axes in rows of a new figure.

    Parameters
    ----------
    n
        How many.
    size
        Of one, in inches.
    most_columns
        How many side by side at most.
    share_x
        Whether all have one scale.
    """
    import matplotlib.pyplot as plt

    n_columns = min(n, most_columns)
    n_rows = -(-n // n_columns)
    _, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(size[0] * n_columns, size[1] * n_rows),
        layout="constrained",
        squeeze=False,
        sharex=share_x,
    )
    for ax in axes.flat[n:]:
        ax.remove()
    return list(axes.flat[:n])


def choose(
    wanted: Sequence[str] | str | None,
    known: Sequence[str],
    *,
    most: int,
    what: str,
    where: str,
) -> list[str]:
    """Choose what to draw: by default the first, else what was asked for.

    Parameters
    ----------
    wanted
        As the user gave it.
    known
        What there is.
    most
        How many of these by default.
    what, where
        Said before those that are missing, and between them and those that are there, such as
        `"No texts of a group"` and `"are ranked, but of"`.

    Raises
    ------
    ValueError
        If something that is wanted is not there, or there is nothing.
    """
    if isinstance(wanted, str):
        wanted = [wanted]
    names = list(known[:most]) if wanted is None else [str(name) for name in wanted]
    missing = [name for name in names if name not in known]
    if missing or not names:
        lacking, there = (", ".join(map(repr, some)) for some in (missing, known[:8]))
        msg = f"{what} {lacking} {where} {there}."
        raise ValueError(msg)
    return names


def finish(
    figure: Figure, drawn: Drawn, *, show: bool | None, return_fig: bool | None
) -> Drawn | Figure | None:
    """Show the picture, or give back what was drawn on.

    Parameters
    ----------
    figure
        The figure of the picture.
    drawn
        Its axes.
    show
        Show it; `None` asks :attr:`scanpy.settings.autoshow`.
    return_fig
        Give back the figure, and do not show it.

    Returns
    -------
    The figure if `return_fig`, nothing if shown, `drawn` else.
    """
    import matplotlib.pyplot as plt
    from scanpy import settings

    if return_fig:
        return figure
    if settings.autoshow if show is None else show:
        plt.show()
        return None
    return drawn


def point_size(n_points: int) -> float:
    """Give an area in square points at which `n_points` fill a panel without hiding each other."""
    return float(np.clip(20_000 / max(n_points, 1), 0.5, 30))


def bare(ax: Axes, basis: str) -> None:
    """Take the ticks off an embedding: its axes have no unit."""
    name = basis.removeprefix("X_").upper()
    ax.set_xlabel(f"{name}1", loc="left", color=FAINT, fontsize=8)
    ax.set_ylabel(f"{name}2", loc="bottom", color=FAINT, fontsize=8)
    ax.set(xticks=[], yticks=[])
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(UNKNOWN)


def name_bars(ax: Axes, names: Sequence[str]) -> None:
    """Name lying bars, from the top down, and leave the axes no more than a faint grid."""
    ax.set_yticks(np.arange(len(names)), names, size=8, color=INK)
    for text in ax.get_yticklabels():
        text.set_parse_math(False)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="x", labelsize=8)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=UNKNOWN, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)


def colour_bar(points: PathCollection, ax: Axes, label: str) -> None:
    """Put a slim colour bar beside a panel, opaque also where the points are not."""
    figure = ax.get_figure(root=False)
    bar = figure.colorbar(points, ax=ax, shrink=0.6, aspect=18, pad=0.02)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    bar.solids.set_alpha(1)
