"""Draw which genes made labels, or which words made a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scmmgpt_tl import get

from ._figure import FAINT, INK, OTHERS, PALETTE, choose, finish, name_bars, panels
from ._text import wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOR, AGAINST = PALETTE[0], PALETTE[5]
_PANEL_WIDTH, _MOST_COLUMNS, _MOST_PANELS = 3.2, 4, 8


def explain(
    adata: AnnData,
    *,
    key: str = "scmm_explanation",
    names: Sequence[str] | str | None = None,
    n_genes: int = 8,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> list[Axes] | Figure | None:
    """Draw the genes that speak for labels and against them, or the words of a search.

    One panel a cell or group, with the strongest genes for its label above and those against it
    below. Hollow bars are genes that are not expressed: it is their lack that counts. Marker genes
    of the label are set in bold.

    Parameters
    ----------
    adata
        Cells explained by :func:`scmmgpt_tl.tl.explain` or :func:`scmmgpt_tl.tl.explain_search`.
    key
        Its `key_added`.
    names
        Cells or groups to draw; by default the first eight.
    n_genes
        Most genes for each label, and against it.
    show
        Show the picture; `None` asks :attr:`scanpy.settings.autoshow`.
    return_fig
        Return the figure.

    Returns
    -------
    If not shown, the axes of the panels, or the figure if `return_fig`.

    Raises
    ------
    ValueError
        Nothing is explained under this key, or no such cell or group.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "macrophage"])
    >>> scmm.tl.explain(adata, max_cells=2)
    >>> axes = scmm.pl.explain(adata, show=False)
    >>> len(axes)
    2
    """
    data = explain_data(adata, key=key, names=names, n_genes=n_genes)
    drawn = [(str(title), own) for title, own in data.groupby("panel", sort=False, observed=True)]
    size = (_PANEL_WIDTH, 0.9 + 0.19 * max(len(own) for _, own in drawn))
    axes = panels(len(drawn), size=size, most_columns=_MOST_COLUMNS)
    for ax, (title, own) in zip(axes, drawn, strict=True):
        _draw(ax, own, title)
    return finish(axes[0].get_figure(root=True), axes, show=show, return_fig=return_fig)


def explain_data(
    adata: AnnData, *, key: str, names: Sequence[str] | str | None, n_genes: int
) -> pd.DataFrame:
    """Gather what :func:`explain` draws.

    Returns
    -------
    One row a bar, from top to bottom: `panel`, `measure`, `name`, `value`, `hollow` and `bold`.
    """
    table = get.explanation_df(adata, key=key)
    if "word" in table:
        return _words(table, n_most=2 * n_genes)
    kind = str(table.columns[0])
    known = table[kind].astype(str)
    said = {"what": f"No {kind}", "where": f"is explained under {key!r}, but"}
    wanted = choose(names, list(dict.fromkeys(known)), most=_MOST_PANELS, **said)
    kept = table[(table["rank"] <= n_genes) & known.isin(wanted)]
    rows = kept.assign(
        order=kept[kind].astype(str).map({name: i for i, name in enumerate(wanted)}),
        panel=[_title(*row) for row in kept[[kind, "label", "against"]].itertuples(index=False)],
    ).sort_values(["order", "attribution"], ascending=[True, False], kind="stable")
    return pd.DataFrame(
        {
            "panel": rows["panel"],
            "measure": "adds to the log-odds",
            "name": rows["gene"],
            "value": rows["attribution"],
            "hollow": rows["expression"] == 0,
            "bold": rows["marker"].astype(bool),
        }
    ).reset_index(drop=True)


def _words(table: pd.DataFrame, *, n_most: int) -> pd.DataFrame:
    """Words in the order in which they stand; of a long definition the strongest."""
    parts = []
    for text, own in table.groupby("text", sort=False, observed=True):
        strongest = own["pull"].abs().nlargest(n_most).index
        kept = own.loc[own.index.isin(strongest)]
        parts.append(pd.DataFrame({"panel": text, "name": kept["word"], "value": kept["pull"]}))
    bars = pd.concat(parts, ignore_index=True)
    return bars.assign(measure="lead of the cells found", hollow=False, bold=False)


def _title(name: str, label: str, against: str) -> str:
    first = label if str(name) == label else f"{name}: {label}"
    return f"{first}\nagainst {against}"


def _draw(ax: Axes, own: pd.DataFrame, title: str) -> None:
    place = np.arange(len(own))
    colours = np.where(own["value"] > 0, FOR, AGAINST)
    faces = [
        "none" if hollow else colour for hollow, colour in zip(own["hollow"], colours, strict=True)
    ]
    ax.barh(place, own["value"], height=0.7, color=faces, edgecolor=colours, linewidth=1)
    ax.axvline(0, color=OTHERS, linewidth=0.8)
    name_bars(ax, own["name"])
    for text, bold in zip(ax.get_yticklabels(), own["bold"], strict=True):
        text.set_weight("bold" if bold else "normal")
    lines = [part for line in title.split("\n") for part in wrap(line, width=2.9, size=8.5)]
    ax.set_title("\n".join(lines), fontsize=8.5, loc="left", color=INK, parse_math=False)
    ax.set_xlabel(own["measure"].iloc[0], fontsize=8, color=FAINT)
    ax.tick_params(axis="x", labelsize=7)
