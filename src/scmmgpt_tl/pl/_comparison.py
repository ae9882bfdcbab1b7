"""Draw how two groups of cells differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scmmgpt_tl import get

from ._figure import FAINT, INK, PALETTE, finish, name_bars, new_axes
from ._text import wrap

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_TYPES, MOST_GENES = 12, 8
SURE = 0.01


class ComparisonData(NamedTuple):
    """What :func:`comparison` draws.

    Parameters
    ----------
    names
        Of the two groups.
    types
        Types whose shares differ most: `label`, `difference`, `low`, `high`.
    genes
        Genes that differ most among those that surely do, those higher in the second group last:
        `gene`, `log2_fold`.
    """

    names: tuple[str, str]
    types: pd.DataFrame
    genes: pd.DataFrame


def comparison(
    adata: AnnData,
    *,
    key: str = "scmm_comparison",
    show: bool | None = None,
    return_fig: bool | None = None,
) -> list[Axes] | Figure | None:
    """Draw the differences in shares of cell types, with intervals, and the genes that differ most.

    Parameters
    ----------
    adata
        Cells compared by :func:`scmmgpt_tl.tl.compare`.
    key
        The `key_added` of :func:`scmmgpt_tl.tl.compare`.
    show
        Show the picture; `None` asks :attr:`scanpy.settings.autoshow`.
    return_fig
        Return the figure.

    Returns
    -------
    If not shown, the two axes, or the figure if `return_fig`.

    Raises
    ------
    ValueError
        If nothing was compared under this key.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> blood = scmm.datasets.pbmc68k()
    >>> scmm.tl.compare(blood, "CD19+ B", "CD56+ NK", groupby="bulk_labels", counts="lognorm")
    >>> types, genes = scmm.pl.comparison(blood, show=False)
    >>> genes.get_xlabel()
    'log2 fold'
    """
    data = comparison_data(adata, key=key)
    rows = max(len(data.types), len(data.genes), 3)
    axes = new_axes(2, ax=None, size=(10.5, 1.4 + 0.28 * rows))
    _draw_types(axes[0], data)
    _draw_genes(axes[1], data)
    return finish(axes[0].get_figure(root=True), axes, show=show, return_fig=return_fig)


def comparison_data(adata: AnnData, *, key: str) -> ComparisonData:
    """Gather what :func:`comparison` draws."""
    cells = get.comparison_df(adata, table="cells", key=key)
    types = get.comparison_df(adata, table="types", key=key)
    order = types["difference"].abs().sort_values(ascending=False, kind="stable").index
    types = types.loc[order[:MOST_TYPES], ["label", "difference", "low", "high"]]
    genes = get.comparison_df(adata, table="differing_genes", key=key)
    sure = genes[genes["q"] < SURE].sort_values(["log2_fold", "gene"], ascending=[False, True])
    higher, lower = sure[sure["log2_fold"] > 0], sure[sure["log2_fold"] < 0]
    shown = pd.concat([higher.head(MOST_GENES), lower.tail(MOST_GENES)])[["gene", "log2_fold"]]
    names = tuple(cells["group"].astype(str))
    return ComparisonData(
        (names[0], names[1]), types.reset_index(drop=True), shown.reset_index(drop=True)
    )


def _draw_types(ax: Axes, data: ComparisonData) -> None:
    types, place = data.types, np.arange(len(data.types))
    ends = np.stack([types["difference"] - types["low"], types["high"] - types["difference"]]).clip(
        min=0
    )
    ax.errorbar(
        types["difference"], place, xerr=ends, fmt="o", ms=4, lw=1, color=PALETTE[0], ecolor=FAINT
    )
    names = ["\n".join(wrap(label, width=2.4, size=8)) for label in types["label"]]
    _dress(ax, names, title=f"share of cells, {data.names[0]} less {data.names[1]}")
    ax.set_xlabel("difference, 95 % interval", fontsize=9)


def _draw_genes(ax: Axes, data: ComparisonData) -> None:
    fold = data.genes["log2_fold"].to_numpy()
    colours = np.where(fold > 0, PALETTE[0], PALETTE[1])
    ax.barh(np.arange(len(fold)), fold, height=0.7, color=colours)
    _dress(ax, list(data.genes["gene"]), title=f"genes, {data.names[0]} over {data.names[1]}")
    ax.set_xlabel("log2 fold", fontsize=9)


def _dress(ax: Axes, names: list[str], *, title: str) -> None:
    name_bars(ax, names)
    ax.axvline(0, color=FAINT, linewidth=0.8)
    head = ax.set_title("\n".join(wrap(title, width=4.4, size=10)), fontsize=10, color=INK)
    head.set_parse_math(False)
