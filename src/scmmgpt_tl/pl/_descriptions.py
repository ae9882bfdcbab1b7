"""Draw what was written about each group of cells as cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import get

from ._cards import MARGIN, Card, draw_cards, lay_out
from ._figure import finish

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: More cards than these no longer fit on a page or a screen.
MOST_CARDS = 12


def descriptions(
    adata: AnnData,
    *,
    key: str = "scmm_description",
    groups: Sequence[str] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> Axes | Figure | None:
    """Draw one card per group: its label and score, its description, and the evidence beneath.

    Parameters
    ----------
    adata
        Cells described by :func:`scmmgpt_tl.tl.describe`.
    key
        The `key_added` of :func:`scmmgpt_tl.tl.describe`.
    groups
        Draw these groups, in this order; by default the first twelve.
    ax
        Draw on these axes; the text is set smaller until the cards fit.
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
        If the descriptions are missing, or have no such group.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc68k()[::10].copy()
    >>> scmm.tl.describe(adata, groupby="phase", counts="lognorm")
    >>> figure = scmm.pl.descriptions(adata, groups=["G1"], return_fig=True)
    >>> len(figure.axes)
    1
    """
    data = descriptions_data(adata, key=key, groups=groups)
    axis = _draw([Card(**row) for row in data.to_dict("records")], ax)
    return finish(axis.get_figure(root=True), axis, show=show, return_fig=return_fig)


def descriptions_data(
    adata: AnnData, *, key: str, groups: Sequence[str] | None = None
) -> pd.DataFrame:
    """Gather what :func:`descriptions` draws.

    Returns
    -------
    One row per card, the columns being the fields of a card.
    """
    frame = get.description_df(adata, key=key)
    frame = frame.assign(group=frame["group"].astype(str)).set_index("group", drop=False)
    wanted = list(frame.index[:MOST_CARDS]) if groups is None else [str(name) for name in groups]
    missing = [name for name in wanted if name not in frame.index]
    if missing or not wanted:
        msg = (
            f"There is no group {missing} among the descriptions. Pass some of {list(frame.index)}."
        )
        raise ValueError(msg)
    columns = ["group", "n_cells", "label", "cl_id", "score", "description", "top_genes", "lineage"]
    return frame.loc[wanted, columns].reset_index(drop=True)


def _draw(cards: list[Card], ax: Axes | None) -> Axes:
    import matplotlib.pyplot as plt

    if ax is None:
        columns = 1 if len(cards) == 1 else 2 if len(cards) <= 4 else 3
        grid = lay_out(cards, columns=columns, width=4.3)
        figure = plt.figure(figsize=(grid.width, grid.height))
        ax = figure.add_axes((0, 0, 1, 1))
        return draw_cards(ax, grid)
    box = ax.get_window_extent().transformed(ax.get_figure(root=True).dpi_scale_trans.inverted())
    columns = max(1, min(len(cards), round(box.width / 3.5)))
    for scale in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4):
        each = (box.width - MARGIN * (columns + 1)) / columns
        grid = lay_out(cards, columns=columns, width=each, scale=scale)
        if grid.height <= box.height:
            break
    return draw_cards(ax, grid, size=(box.width, box.height))
