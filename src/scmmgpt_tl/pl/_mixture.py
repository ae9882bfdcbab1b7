"""Draw what spots are mixtures of, on the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl.get import mixture_df

from ._embedding import coordinates
from ._figure import UNKNOWN, colour_bar, finish, point_size
from ._text import wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches of a panel's width, and of what stands above it.
COLUMNS, SIDE, TITLE = 4, 2.4, 0.5


def mixture(
    adata: AnnData,
    labels: Sequence[str] | None = None,
    *,
    basis: str = "spatial",
    key: str = "scmm_mixture",
    n_labels: int = 8,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> list[Axes] | Figure | None:
    """Draw the share of each cell type where the spots lie, one panel a type.

    Parameters
    ----------
    adata
        Spots split by :func:`scmmgpt_tl.tl.deconvolve`, of one slide.
    labels
        Types to draw; by default those with the largest mean shares.
    basis
        Key of the places in `adata.obsm`; the first two columns are drawn, the second downwards as
        in the picture of a slide.
    key
        The `key_added` of :func:`scmmgpt_tl.tl.deconvolve`.
    n_labels
        How many types to draw where `labels` is not given.
    show
        Show the picture; `None` asks :attr:`scanpy.settings.autoshow`.
    return_fig
        Return the figure.

    Returns
    -------
    If not shown, the axes, or the figure if `return_fig`.

    Raises
    ------
    ValueError
        If places or shares are missing, or a label is not among them.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc68k()[::10].copy()
    >>> scmm.tl.deconvolve(adata, ["T cell", "B cell", "monocyte"], counts="lognorm")
    >>> axes = scmm.pl.mixture(adata, basis="X_umap", show=False)
    >>> len(axes)
    3
    """
    import matplotlib.pyplot as plt

    data = mixture_data(adata, labels, basis, key=key, n_labels=n_labels)
    names = list(data.columns[2:])
    width = min(len(names), COLUMNS)
    height = -(-len(names) // COLUMNS)
    size = (SIDE * width + 0.8, (SIDE * _tallness(data) + TITLE) * height)
    figure, axes = plt.subplots(height, width, figsize=size, layout="constrained")
    panels = list(np.atleast_1d(axes).ravel())
    for ax in panels[len(names) :]:
        ax.set_axis_off()
    for ax, name in zip(panels, names, strict=False):
        _draw(ax, data, name)
    return finish(figure, panels[: len(names)], show=show, return_fig=return_fig)


def mixture_data(
    adata: AnnData, labels: Sequence[str] | None, basis: str, *, key: str, n_labels: int
) -> pd.DataFrame:
    """Gather what :func:`mixture` draws.

    Returns
    -------
    One row a spot: `x`, `y`, and the share of each label, the largest on average first.
    """
    shares = mixture_df(adata, key=key)
    data = coordinates(adata, basis)
    if labels is None:
        labels = list(shares.mean().sort_values(ascending=False, kind="stable").index[:n_labels])
    if missing := [name for name in labels if name not in shares]:
        msg = f"There is no share of {missing[0]!r}; there are those of {', '.join(shares)}."
        raise ValueError(msg)
    for name in labels:
        data[name] = shares[name]
    return data


def _tallness(data: pd.DataFrame) -> float:
    """Return the height of the slide in widths, within bounds."""
    wide, tall = (float(np.ptp(data[axis])) if len(data) else 0.0 for axis in ("x", "y"))
    return float(np.clip(tall / wide, 0.3, 2)) if wide > 0 else 1.0


def _draw(ax: Axes, data: pd.DataFrame, name: str) -> None:
    # Each type by itself: a rare one's places are to be seen as well as a common one's.
    top = float(np.nanpercentile(data[name], 99)) if len(data) else 1.0
    points = ax.scatter(
        data["x"],
        data["y"],
        s=point_size(COLUMNS * len(data)),
        c=data[name],
        cmap="viridis",
        vmin=0,
        vmax=max(top, 0.05),
        linewidths=0,
        rasterized=True,
    )
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.invert_yaxis()
    ax.spines[:].set_color(UNKNOWN)
    title = ax.set_title("\n".join(wrap(name, width=SIDE * 0.8, size=9)), fontsize=9)
    title.set_parse_math(False)
    colour_bar(points, ax, "share")
