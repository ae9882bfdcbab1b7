"""Draw which genes speak for labels together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl import get

from ._figure import FAINT, INK, PALETTE, UNKNOWN, finish
from ._text import wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    import networkx as nx
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOR, AGAINST = PALETTE[0], PALETTE[5]
_SIDE, _MOST_COLUMNS, _MOST_PANELS = 3.8, 3, 6


class Drawing(NamedTuple):
    """What a panel shows.

    Parameters
    ----------
    title
        Group, its label, and what that is set against.
    edges
        `gene`, `other` and `correlation`.
    attribution
        Mean attribution by gene; the genes that are tied.
    """

    title: str
    edges: pd.DataFrame
    attribution: pd.Series[float]


def gene_network(
    adata: AnnData,
    *,
    key: str = "scmm_gene_network",
    groups: Sequence[str] | str | None = None,
    n_edges: int = 40,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> list[Axes] | Figure | None:
    """Draw genes tied by their attributions, one panel a group.

    Blue genes speak for the label of the group, red ones against it, the larger the more. Full
    lines tie genes whose attributions rise together, dotted ones those of which one rises where the
    other falls.

    Parameters
    ----------
    adata
        Cells of which :func:`scmmgpt_tl.tl.gene_network` tied the genes.
    key
        Its `key_added`.
    groups
        Groups to draw; by default the first six.
    n_edges
        Most ties of a group, the strongest.
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
        No genes were tied under this key, or there is no such group.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "macrophage"])
    >>> scmm.tl.gene_network(adata, label="T cell", max_cells=12, n_genes=20, n_edges=10)
    >>> axes = scmm.pl.gene_network(adata, show=False)
    >>> len(axes)
    1
    """
    import matplotlib.pyplot as plt

    drawings = gene_network_data(adata, key=key, groups=groups, n_edges=n_edges)
    n_columns = min(len(drawings), _MOST_COLUMNS)
    n_rows = -(-len(drawings) // n_columns)
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(_SIDE * n_columns, _SIDE * n_rows),
        layout="constrained",
        squeeze=False,
    )
    for ax, drawing in zip(axes.flat, drawings, strict=False):
        _draw(ax, drawing)
    for ax in axes.flat[len(drawings) :]:
        ax.remove()
    return finish(figure, list(axes.flat[: len(drawings)]), show=show, return_fig=return_fig)


def gene_network_data(
    adata: AnnData, *, key: str, groups: Sequence[str] | str | None, n_edges: int
) -> list[Drawing]:
    """Gather what :func:`gene_network` draws, one drawing a group."""
    edges = get.gene_network_df(adata, key=key)
    genes = get.gene_network_df(adata, key=key, table="genes")
    overview = get.gene_network_df(adata, key=key, table="overview").set_index("group")
    known = [str(group) for group in overview.index]
    wanted = [groups] if isinstance(groups, str) else groups
    wanted = known[:_MOST_PANELS] if wanted is None else [str(group) for group in wanted]
    missing = [group for group in wanted if group not in known]
    if missing or not wanted:
        named, there = (", ".join(map(repr, names)) for names in (missing, known[:8]))
        msg = f"No genes of a group {named} are tied under {key!r}, but of {there}."
        raise ValueError(msg)
    drawings = []
    for group in wanted:
        own = edges[(edges["group"] == group) & (edges["rank"] <= n_edges)]
        tied = genes[(genes["group"] == group) & genes["gene"].isin([*own["gene"], *own["other"]])]
        label, against = overview.loc[group, ["label", "against"]]
        first = str(label) if group == label else f"{group}: {label}"
        columns = own[["gene", "other", "correlation"]].reset_index(drop=True)
        attribution = tied.set_index("gene")["attribution"]
        drawings.append(Drawing(f"{first}\nagainst {against}", columns, attribution))
    return drawings


def place_genes(edges: pd.DataFrame) -> tuple[nx.Graph, dict[str, tuple[float, float]]]:
    """Place genes so that those with strong ties are near, the same way every time.

    Parameters
    ----------
    edges
        `gene`, `other` and `correlation`.
    """
    import networkx as nx

    network = nx.Graph()
    for row in edges.itertuples(index=False):
        network.add_edge(row.gene, row.other, weight=abs(row.correlation), sign=row.correlation)
    # Further apart than by default: names stand beside the points.
    distance = 2.2 / np.sqrt(max(len(network), 1))
    return network, nx.spring_layout(network, k=distance, seed=0, iterations=200)


def _draw(ax: Axes, drawing: Drawing) -> None:
    network, places = place_genes(drawing.edges)
    for gene, other, tie in network.edges(data=True):
        (x0, y0), (x1, y1) = places[gene], places[other]
        style = "-" if tie["sign"] > 0 else ":"
        width = 0.4 + 2.4 * tie["weight"]
        ax.plot([x0, x1], [y0, y1], style, color=UNKNOWN, linewidth=width, zorder=1)
    attribution = drawing.attribution
    largest = float(attribution.abs().max()) if len(attribution) else 1.0
    for gene, value in attribution.items():
        x, y = places[str(gene)]
        colour = FOR if value > 0 else AGAINST
        ax.scatter(x, y, s=12 + 90 * abs(value) / largest, color=colour, linewidths=0, zorder=2)
        text = ax.annotate(
            str(gene), (x, y), (0, 5), textcoords="offset points", ha="center", size=6.5, color=INK
        )
        text.set_parse_math(False)
    if not len(attribution):
        ax.text(0.5, 0.5, "no ties", transform=ax.transAxes, ha="center", color=FAINT)
    lines = [part for line in drawing.title.split("\n") for part in wrap(line, width=3.5, size=8.5)]
    ax.set_title("\n".join(lines), fontsize=8.5, loc="left", color=INK, parse_math=False)
    ax.margins(0.12)
    ax.set_axis_off()
