"""Draw which texts fit groups of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl import get

from ._figure import FAINT, INK, PALETTE, choose, finish, name_bars, panels
from ._text import wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR = PALETTE[4]
_PANEL_WIDTH, _MOST_COLUMNS, _MOST_PANELS = 3.6, 4, 8
_TEXT_WIDTH, _SIZE = 3.0, 7.5


def rank_terms(
    adata: AnnData,
    *,
    key: str = "scmm_rank_terms",
    groups: Sequence[str] | str | None = None,
    n_terms: int = 8,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> list[Axes] | Figure | None:
    """Draw the texts that fit groups of cells best, one panel a group, all on one scale.

    A score is a similarity and no probability: what counts is how far the first text leads. Cell
    Ontology terms are filled, other texts are hollow.

    Parameters
    ----------
    adata
        Cells whose terms were ranked by :func:`scmmgpt_tl.tl.rank_terms`.
    key
        Its `key_added`.
    groups
        Groups to draw; by default the first eight.
    n_terms
        Most texts of a group.
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
        Nothing was ranked under this key, or there is no such group.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()
    >>> scmm.tl.rank_terms(adata, ["T cell", "B cell", "a cell that eats others"])
    >>> axes = scmm.pl.rank_terms(adata, show=False)
    >>> axes[0].get_title(loc="left")
    'all'
    """
    drawn = rank_terms_data(adata, key=key, groups=groups, n_terms=n_terms)
    size = (_PANEL_WIDTH, 0.9 + 0.19 * max(len(own) for own in drawn.values()))
    axes = panels(len(drawn), size=size, most_columns=_MOST_COLUMNS, share_x=True)
    for ax, (group, own) in zip(axes, drawn.items(), strict=True):
        _draw(ax, own, group)
        ax.tick_params(axis="x", labelbottom=True)
    return finish(axes[0].get_figure(root=True), axes, show=show, return_fig=return_fig)


def rank_terms_data(
    adata: AnnData, *, key: str, groups: Sequence[str] | str | None, n_terms: int
) -> dict[str, pd.DataFrame]:
    """Gather what :func:`rank_terms` draws: by group `term`, `cl_id` and `score`, the best first."""
    ranking = get.rank_terms_df(adata, key=key)
    # A group without cells that the model could read has no scores.
    ranking = ranking[ranking["score"].notna()]
    known = list(dict.fromkeys(ranking["group"].astype(str)))
    said = {"what": "No texts of a group", "where": f"are ranked under {key!r}, but of"}
    wanted = choose(groups, known, most=_MOST_PANELS, **said)
    return {
        group: ranking[ranking["group"].astype(str) == group].head(n_terms).reset_index(drop=True)
        for group in wanted
    }


def _draw(ax: Axes, own: pd.DataFrame, group: str) -> None:
    place = np.arange(len(own))
    faces = [BAR if cl_id else "none" for cl_id in own["cl_id"]]
    ax.barh(place, own["score"], height=0.8, color=faces, edgecolor=BAR, linewidth=1)
    # Names of types are long: on the bars they take no room from them.
    for row, term in enumerate(own["term"]):
        ax.annotate(
            _shorten(str(term)),
            (0, row),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            size=_SIZE,
            color=INK,
            parse_math=False,
        )
    name_bars(ax, [str(rank) for rank in own["rank"]])
    title = "\n".join(wrap(group, width=_TEXT_WIDTH, size=8.5))
    ax.set_title(title, fontsize=8.5, loc="left", color=INK, parse_math=False)
    ax.set_xlabel("mean similarity", fontsize=8, color=FAINT)
    ax.tick_params(axis="x", labelsize=7)


def _shorten(text: str) -> str:
    """Keep what fits on a line."""
    first, *more = wrap(text, width=_TEXT_WIDTH, size=_SIZE) or [""]
    return f"{first} …" if more else first
