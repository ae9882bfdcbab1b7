"""Draw which genes speak for labels together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl import get

from ._figure import FAINT, INK, OTHERS, PALETTE, choose, finish, panels
from ._text import wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

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

    Blue genes speak for the label of the group, red ones against it, the larger the more; those with
    strong ties stand side by side. Full lines tie genes whose attributions rise together, dotted ones those of which one rises where the
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
    drawings = gene_network_data(adata, key=key, groups=groups, n_edges=n_edges)
    axes = panels(len(drawings), size=(_SIDE, _SIDE), most_columns=_MOST_COLUMNS)
    for ax, drawing in zip(axes, drawings, strict=True):
        _draw(ax, drawing)
    return finish(axes[0].get_figure(root=True), axes, show=show, return_fig=return_fig)


def gene_network_data(
    adata: AnnData, *, key: str, groups: Sequence[str] | str | None, n_edges: int
) -> list[Drawing]:
    """Gather what :func:`gene_network` draws, one drawing a group."""
    edges = get.gene_network_df(adata, key=key)
    genes = get.gene_network_df(adata, key=key, table="genes")
    overview = get.gene_network_df(adata, key=key, table="overview").set_index("group")
    known = [str(group) for group in overview.index]
    said = {"what": "No genes of a group", "where": f"are tied under {key!r}, but of"}
    wanted = choose(groups, known, most=_MOST_PANELS, **said)
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


def order_genes(edges: pd.DataFrame) -> list[str]:
    """Put genes in an order in which those with strong ties stand side by side.

    Parameters
    ----------
    edges
        `gene`, `other` and `correlation`.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    genes = list(dict.fromkeys([*edges["gene"], *edges["other"]]))
    if len(genes) < 3:
        return genes
    place = {gene: i for i, gene in enumerate(genes)}
    apart = 1 - np.eye(len(genes))
    for row in edges.itertuples(index=False):
        i, j = place[row.gene], place[row.other]
        apart[i, j] = apart[j, i] = 1 - abs(row.correlation)
    tree = linkage(squareform(apart), "average", optimal_ordering=True)
    return [genes[i] for i in leaves_list(tree)]


def _draw(ax: Axes, drawing: Drawing) -> None:
    genes = order_genes(drawing.edges)
    angle = np.linspace(0, 2 * np.pi, len(genes), endpoint=False)
    places = dict(zip(genes, np.column_stack([np.cos(angle), np.sin(angle)]), strict=True))
    for tie in drawing.edges.itertuples(index=False):
        path = _bend(places[tie.gene], places[tie.other])
        style = "-" if tie.correlation > 0 else ":"
        width = 0.4 + 2.4 * abs(tie.correlation)
        ax.plot(*path.T, style, color=OTHERS, alpha=0.6, linewidth=width, zorder=1)
    largest = max(float(drawing.attribution.abs().max()), 1e-12) if genes else 1.0
    for gene, turn in zip(genes, np.degrees(angle), strict=True):
        value = float(drawing.attribution[gene])
        x, y = places[gene]
        colour = FOR if value > 0 else AGAINST
        ax.scatter(x, y, s=10 + 60 * abs(value) / largest, color=colour, linewidths=0, zorder=2)
        # Names run outwards, and none stands on its head.
        flip = 90 < turn < 270
        how = {"rotation": turn + 180 * flip, "rotation_mode": "anchor", "size": 6.5, "color": INK}
        side = "right" if flip else "left"
        text = ax.text(1.1 * x, 1.1 * y, gene, ha=side, va="center", parse_math=False, **how)
        text.set_in_layout(False)
    if not genes:
        ax.text(0, 0, "no ties", ha="center", color=FAINT)
    lines = [part for line in drawing.title.split("\n") for part in wrap(line, width=3.5, size=8.5)]
    ax.set_title("\n".join(lines), fontsize=8.5, loc="left", color=INK, parse_math=False)
    ax.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal")
    ax.set_axis_off()


def _bend(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Curve from point to point that leans to the middle of the circle, `(n, 2)`."""
    t = np.linspace(0, 1, 24)[:, None]
    return (1 - t) ** 2 * start + t**2 * end + 2 * t * (1 - t) * 0.2 * (start + end)
