"""Draw how well the cells of each group support its label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl import get

from ._figure import FAINT, PALETTE, finish, name_bars, new_axes
from ._text import wrap

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def support(
    adata: AnnData,
    *,
    key: str = "scmm_cell_type",
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> Axes | Figure | None:
    """Draw support and agreement of the label of every group.

    Support is the mean probability of the label in the group, agreement the share of its cells whose
    own label is the same.

    Parameters
    ----------
    adata
        Cells annotated with `groupby`.
    key
        The `key_added` of :func:`scmmgpt_tl.tl.annotate`.
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
        If the annotation is missing or was made without `groupby`.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc68k()[::10].copy()
    >>> scmm.tl.annotate(adata, groupby="louvain", counts="lognorm")
    >>> ax = scmm.pl.support(adata, show=False)
    >>> ax.get_xlabel()
    'share'
    """
    data = support_data(adata, key=key)
    (axis,) = new_axes(ax=ax, size=(7.5, 1.2 + 0.48 * len(data)))
    _draw(axis, data)
    return finish(axis.get_figure(root=True), axis, show=show, return_fig=return_fig)


def support_data(adata: AnnData, *, key: str) -> pd.DataFrame:
    """Gather what :func:`support` draws.

    Returns
    -------
    One row per group, the best supported first: `group`, `label`, `n_cells`, `support`, `agreement`.
    """
    groups = get.annotation_df(adata, key=key, groups=True)
    columns = ["group", "label", "n_cells", "support", "agreement"]
    return groups[columns].sort_values("support", ascending=False, kind="stable", ignore_index=True)


def _draw(ax: Axes, data: pd.DataFrame) -> None:
    place = np.arange(len(data))
    for shift, column, colour in ((-0.19, "support", PALETTE[0]), (0.19, "agreement", PALETTE[1])):
        bars = ax.barh(place + shift, data[column], height=0.34, color=colour, label=column)
        ax.bar_label(bars, fmt="%.2f", padding=2, fontsize=7, color=FAINT)
    room = ax.get_window_extent().height / ax.get_figure(root=True).dpi / len(data)
    names = [
        _row_name(*row, roomy=room > 0.4)
        for row in data[["group", "label", "n_cells"]].itertuples(index=False)
    ]
    name_bars(ax, names)
    ax.set_xlim(0, 1.08)
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.set_xlabel("share", fontsize=9)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8)


def _row_name(group: object, label: str, n_cells: int, *, roomy: bool) -> str:
    """Name a row in up to three lines where there is room for them, else in one."""
    head = f"{group} ({n_cells:,})"
    if str(group) == label:
        return head
    return "\n".join([head, *wrap(label, width=2.4, size=8)]) if roomy else f"{head}  {label}"
