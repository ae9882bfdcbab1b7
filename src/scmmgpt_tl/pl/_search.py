"""Draw where on an embedding the cells lie that a text describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl._keys import SearchKeys

from ._embedding import coordinates
from ._figure import UNKNOWN, bare, colour_bar, finish, new_axes, point_size
from ._text import wrap

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


def search(
    adata: AnnData,
    basis: str = "X_umap",
    *,
    key: str = "scmm_search",
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> Axes | Figure | None:
    """Draw the score of a text search on an embedding, the best cells on top.

    Parameters
    ----------
    adata
        Cells searched by :func:`scmmgpt_tl.tl.search`, with an embedding.
    basis
        Key of the embedding in `adata.obsm`; the first two columns are drawn.
    key
        The `key_added` of :func:`scmmgpt_tl.tl.search`.
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
        If the embedding or the search is missing.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc68k()[::10].copy()
    >>> scmm.tl.search(adata, "B cell", counts="lognorm")
    >>> ax = scmm.pl.search(adata, show=False)
    >>> ax.get_title()
    'B cell'
    """
    data = search_data(adata, basis, key=key)
    (axis,) = new_axes(ax=ax, size=(5.6, 4.6))
    _draw(axis, data)
    bare(axis, basis)
    query = str(adata.uns[SearchKeys(key).uns]["params"]["query"])
    title = axis.set_title("\n".join(wrap(query, width=4.0, size=11)), fontsize=11)
    title.set_parse_math(False)
    return finish(axis.get_figure(root=True), axis, show=show, return_fig=return_fig)


def search_data(adata: AnnData, basis: str, *, key: str) -> pd.DataFrame:
    """Gather what :func:`search` draws.

    Returns
    -------
    One row per cell, the best last: `x`, `y`, `score`.
    """
    data = coordinates(adata, basis)
    keys = SearchKeys(key)
    if keys.obs not in adata.obs or keys.uns not in adata.uns:
        msg = f"Did not find `adata.obs[{keys.obs!r}]` of a search. Run `scmm.tl.search` first."
        raise ValueError(msg)
    data["score"] = adata.obs[keys.obs].to_numpy()
    return data.sort_values("score", kind="stable", na_position="first")


def _light_to_dark() -> Colormap:
    """Give colours that leave the many cells with low scores in the background."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("found", [UNKNOWN, "#88CCEE", "#0072B2", "#221150"])


def _draw(ax: Axes, data: pd.DataFrame) -> None:
    size = point_size(len(data))
    scored = data[data["score"].notna()]
    ax.scatter(data["x"], data["y"], s=size, c=UNKNOWN, linewidths=0, rasterized=True)
    # One odd cell at either end must not flatten the colours of all others.
    low, high = np.nanpercentile(scored["score"], [2, 99.5]) if len(scored) else (0, 1)
    points = ax.scatter(
        scored["x"],
        scored["y"],
        s=size,
        c=scored["score"],
        cmap=_light_to_dark(),
        vmin=low,
        vmax=high,
        linewidths=0,
        rasterized=True,
    )
    colour_bar(points, ax, "score")
