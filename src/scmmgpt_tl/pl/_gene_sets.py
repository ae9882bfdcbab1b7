"""Draw how strongly each group of cells expresses each set of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl import get

from ._figure import finish, new_axes
from ._text import wrap

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def gene_sets(
    adata: AnnData,
    groupby: str,
    *,
    key: str = "scmm_gene_sets",
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> Axes | Figure | None:
    """Draw the mean score of every gene set in every group of cells.

    Scores of two sets are not comparable: colours say how many standard deviations of the groups a
    group lies above (red) or below (blue) their mean, numbers are the mean scores themselves.

    Parameters
    ----------
    adata
        Cells scored by :func:`scmmgpt_tl.tl.score_gene_sets`.
    groupby
        Column of `adata.obs` that groups the cells.
    key
        The `key_added` of :func:`scmmgpt_tl.tl.score_gene_sets`.
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
        If the scores or the column `groupby` are missing.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc68k()[::10].copy()
    >>> sets = {"T": ["CD3D", "CD3E"], "B": ["CD79A", "MS4A1"]}
    >>> scmm.tl.score_gene_sets(adata, sets, counts="lognorm")
    >>> ax = scmm.pl.gene_sets(adata, "louvain", show=False)
    >>> ax.get_ylabel()
    'louvain'
    """
    data = gene_sets_data(adata, groupby, key=key)
    size = (2.8 + 0.62 * data.shape[1], max(2.8, 1.8 + 0.36 * len(data)))
    (axis,) = new_axes(ax=ax, size=size)
    _draw(axis, data)
    axis.set_ylabel(groupby)
    return finish(axis.get_figure(root=True), axis, show=show, return_fig=return_fig)


def gene_sets_data(adata: AnnData, groupby: str, *, key: str) -> pd.DataFrame:
    """Gather what :func:`gene_sets` draws.

    Returns
    -------
    Mean score of groups (rows) and sets (columns).
    """
    frame = get.gene_set_scores(adata, key=key).to_df()
    if groupby not in adata.obs:
        msg = f"Did not find `adata.obs[{groupby!r}]`. Pass one of {list(adata.obs.columns)}."
        raise ValueError(msg)
    groups = adata.obs[groupby].astype("category").cat.remove_unused_categories()
    return frame.groupby(groups.to_numpy(), observed=True).mean()


def _draw(ax: Axes, data: pd.DataFrame) -> None:
    values = data.to_numpy(dtype=float)
    spread = values.std(axis=0)
    relative = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    image = ax.imshow(
        relative, cmap="RdBu_r", vmin=-2.5, vmax=2.5, aspect="auto", interpolation="nearest"
    )
    names = ["\n".join(wrap(str(name), width=2.3, size=8)) for name in data.columns]
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", size=8)
    ax.set_yticks(range(len(data)), [str(group) for group in data.index], size=8)
    for text in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        text.set_parse_math(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if abs(relative[row, column]) > 1.6 else "black"
        ax.text(column, row, f"{value:.1f}", ha="center", va="center", size=7, color=ink)
    bar = ax.get_figure(root=False).colorbar(image, ax=ax, shrink=0.8, aspect=14, pad=0.02)
    bar.set_label("standard deviations of groups", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
