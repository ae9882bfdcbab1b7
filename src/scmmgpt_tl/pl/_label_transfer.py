"""Draw what became of the labels of a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl import get

from ._figure import FAINT, OTHERS, PALETTE, finish, name_bars, new_axes
from ._text import wrap

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def label_transfer(
    adata: AnnData,
    *,
    key: str = "scmm_transferred",
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> Axes | Figure | None:
    """Draw the share of every label in the reference and in the cells that it was transferred to.

    Below the labels stand the cells that got none, by the reason why.

    Parameters
    ----------
    adata
        Cells with labels from :func:`scmmgpt_tl.tl.label_transfer`.
    key
        Its `key_added`.
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
        If no labels were transferred under this key.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> blood = scmm.datasets.pbmc68k()
    >>> blood.obs["type"] = blood.obs["bulk_labels"].map(
    ...     {"CD19+ B": "B cell", "CD56+ NK": "natural killer cell"}
    ... )
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.label_transfer(adata, blood, "type", reference_counts="lognorm")
    >>> ax = scmm.pl.label_transfer(adata, show=False)
    >>> ax.get_xlabel()
    'share of cells'
    """
    data = label_transfer_data(adata, key=key)
    (axis,) = new_axes(ax=ax, size=(7.0, 1.2 + 0.42 * len(data)))
    _draw(axis, data)
    return finish(axis.get_figure(root=True), axis, show=show, return_fig=return_fig)


def label_transfer_data(adata: AnnData, *, key: str) -> pd.DataFrame:
    """Gather what :func:`label_transfer` draws.

    Returns
    -------
    One row per label, the commonest first, and per reason: `label`, `is_label`, `n_cells`,
    `reference` and `query`, the shares.
    """
    found = get.label_transfer_df(adata, key=key)
    found["is_label"] = found["n_reference"] > 0
    found["reference"] = found["n_reference"] / found["n_reference"].sum()
    found["query"] = found["n_cells"] / max(found["n_cells"].sum(), 1)
    return found.sort_values(
        ["is_label", "n_cells"], ascending=False, kind="stable", ignore_index=True
    )[["label", "is_label", "n_cells", "reference", "query"]]


def _draw(ax: Axes, data: pd.DataFrame) -> None:
    place = np.arange(len(data))
    labels = data[data["is_label"]]
    ax.barh(
        place[: len(labels)] - 0.2,
        labels["reference"],
        height=0.36,
        color=OTHERS,
        label="reference",
    )
    bars = ax.barh(place + 0.2, data["query"], height=0.36, color=PALETTE[0], label="these cells")
    numbers = [f"{n:,}" for n in data["n_cells"]]
    ax.bar_label(bars, labels=numbers, padding=2, fontsize=7, color=FAINT)
    name_bars(ax, ["\n".join(wrap(name, width=2.4, size=8)) for name in data["label"]])
    for text, is_label in zip(ax.get_yticklabels(), data["is_label"], strict=True):
        text.set_style("normal" if is_label else "italic")
    ax.set_xlim(0, 1.12 * max(data["reference"].max(), data["query"].max()))
    ax.set_xlabel("share of cells", fontsize=9)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8)
