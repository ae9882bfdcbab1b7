"""Draw how much each group of cells looks like each label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl import get

from ._figure import INK, finish, new_axes
from ._text import wrap

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def scores(
    adata: AnnData,
    groupby: str,
    *,
    key: str = "scmm_cell_type",
    n_labels: int = 12,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> Axes | Figure | None:
    """Draw the mean score of every label in every group of cells.

    Groups and labels are ordered so that the best label of each group lies on a diagonal; it is framed.

    Parameters
    ----------
    adata
        Annotated cells.
    groupby
        Column of `adata.obs` that groups the cells.
    key
        The `key_added` of :func:`scmmgpt_tl.tl.annotate` or :func:`scmmgpt_tl.tl.refine`.
    n_labels
        How many labels to draw: the best of every group, then those with the highest scores.
    ax
        Draw on these axes.
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
        If the annotation or the column `groupby` is missing.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc68k()[::10].copy()
    >>> scmm.tl.annotate(adata, counts="lognorm")
    >>> ax = scmm.pl.scores(adata, "louvain", show=False)
    >>> ax.get_ylabel()
    'louvain'
    """
    data = scores_data(adata, groupby, key=key, n_labels=n_labels)
    n_rows, n_columns = data.shape
    size = (2.8 + 0.52 * n_columns, max(3.4, 2.0 + 0.36 * n_rows))
    (axis,) = new_axes(ax=ax, size=size)
    sizes = adata.obs[groupby].astype(str).value_counts()
    _draw(axis, data, sizes)
    axis.set_ylabel(groupby)
    return finish(axis.get_figure(root=True), axis, show=show, return_fig=return_fig)


def scores_data(adata: AnnData, groupby: str, *, key: str, n_labels: int) -> pd.DataFrame:
    """Gather what :func:`scores` draws.

    Returns
    -------
    Mean score of groups (rows) and labels (columns), ordered along the diagonal.
    """
    classes = get.scores(adata, key=key)
    if groupby not in adata.obs:
        msg = f"Did not find `adata.obs[{groupby!r}]`. Pass one of {list(adata.obs.columns)}."
        raise ValueError(msg)
    frame = classes.to_df()
    groups = adata.obs[groupby].astype("category").cat.remove_unused_categories()
    mean = frame.groupby(groups.to_numpy(), observed=True).mean()
    mean.index = mean.index.astype(str)
    return along_diagonal(mean, n_labels=n_labels)


def along_diagonal(mean: pd.DataFrame, *, n_labels: int) -> pd.DataFrame:
    """Choose and order labels and groups so that the best ones form a diagonal.

    Examples
    --------
    >>> import pandas as pd
    >>> mean = pd.DataFrame(
    ...     [[0.1, 0.8, 0], [0.9, 0.1, 0]], index=["0", "1"], columns=["B", "T", "NK"]
    ... )
    >>> along_diagonal(mean, n_labels=2)
         T    B
    0  0.8  0.1
    1  0.1  0.9
    """
    best = mean.idxmax(axis=1)
    winners = list(dict.fromkeys(best))
    by_height = mean.max().sort_values(ascending=False, kind="stable").index
    rest = [name for name in by_height if name not in winners]
    columns = [*winners, *rest][: max(n_labels, len(winners))]
    height = mean.max(axis=1)
    rows = sorted(mean.index, key=lambda group: (columns.index(best[group]), -height[group]))
    return mean.loc[rows, columns]


def _draw(ax: Axes, data: pd.DataFrame, sizes: pd.Series) -> None:
    from matplotlib.patches import Rectangle

    values = data.to_numpy(dtype=float)
    top = float(np.nanmax(values, initial=0.05))
    image = ax.imshow(
        values, cmap="Blues", vmin=0, vmax=top, aspect="auto", interpolation="nearest"
    )
    names = ["\n".join(wrap(name, width=2.3, size=8)) for name in data.columns]
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", size=8)
    rows = [f"{group} ({sizes.get(group, 0):,})" for group in data.index]
    ax.set_yticks(range(len(rows)), rows, size=8)
    for text in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        text.set_parse_math(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for row, column in enumerate(values.argmax(axis=1)):
        ax.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, color=INK, linewidth=1.4)
        )
    _write_values(ax, values, top)
    bar = ax.get_figure(root=False).colorbar(
        image, ax=ax, shrink=min(0.8, 5 / len(data)), aspect=14, pad=0.02
    )
    bar.set_label("mean score", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def _write_values(ax: Axes, values: np.ndarray, top: float) -> None:
    """Write the numbers that matter into a heat map that is not too large for it."""
    if values.size > 600:
        return
    for (row, column), value in np.ndenumerate(values):
        if value >= 0.05:
            ink = "white" if value > 0.6 * top else INK
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", size=7, color=ink)
