"""Draw cells on an embedding, coloured by their label and by how sure the label is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scmmgpt_tl import get

from ._figure import OTHERS, PALETTE, UNKNOWN, bare, colour_bar, finish, new_axes, point_size
from ._legend import draw_legend
from ._text import name_points

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Panel = Literal["both", "label", "score"]

_MAKERS = {"X_umap": "sc.tl.umap", "X_tsne": "sc.tl.tsne", "X_pca": "sc.pp.pca"}


def embedding(
    adata: AnnData,
    basis: str = "X_umap",
    *,
    key: str = "scmm_cell_type",
    panel: Panel = "both",
    n_labels: int = len(PALETTE),
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> Axes | list[Axes] | Figure | None:
    """Draw cells on an embedding, coloured by label and by confidence.

    Parameters
    ----------
    adata
        Annotated cells with an embedding.
    basis
        Key of the embedding in `adata.obsm`; the first two columns are drawn.
    key
        The `key_added` of :func:`scmmgpt_tl.tl.annotate` or :func:`scmmgpt_tl.tl.refine`.
    panel
        Both panels side by side, or one of them.
    n_labels
        The commonest labels get a colour and a name each, the rest are drawn as `"others"`.
    ax
        Draw one panel on these axes.
    show
        Show the picture; `None` asks :attr:`scanpy.settings.autoshow`.
    return_fig
        Return the figure.

    Returns
    -------
    If not shown, the axes (a list of two for `panel="both"`), or the figure if `return_fig`.

    Raises
    ------
    ValueError
        If the embedding or the annotation is missing, or `ax` is given for two panels.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc68k()[::10].copy()
    >>> scmm.tl.annotate(adata, counts="lognorm")
    >>> label, score = scmm.pl.embedding(adata, show=False)
    >>> score.get_title()
    'confidence'
    """
    if ax is not None and panel == "both":
        msg = "`ax` takes one panel. Pass `panel='label'` or `panel='score'` with it."
        raise ValueError(msg)
    data = embedding_data(adata, basis, key=key, n_labels=n_labels)
    both = panel == "both"
    axes = new_axes(1 + both, ax=ax, size=(11.5, 4.6) if both else (6.6, 4.6))
    if panel != "label":
        _draw_score(axes[-1], data, basis)
    if panel != "score":
        draw_labels(axes[0], data, basis)
    figure = axes[0].get_figure(root=True)
    return finish(figure, axes if both else axes[0], show=show, return_fig=return_fig)


def embedding_data(adata: AnnData, basis: str, *, key: str, n_labels: int) -> pd.DataFrame:
    """Gather what :func:`embedding` draws.

    Returns
    -------
    One row per cell: `x`, `y`, `label` (categories from the commonest to the rarest, then
    `"others"` and `"unknown"`), `score`.
    """
    data = coordinates(adata, basis)
    annotation = get.annotation_df(adata, key=key)
    label = annotation["label"].astype(str)
    counts = label[label != "unknown"].value_counts()
    # Ties are broken by name, not by which cell comes first.
    ranked = sorted(counts.index, key=lambda name: (-counts[name], name))
    shown, rest = ranked[:n_labels], ranked[n_labels:]
    if len(rest) == 1:
        shown, rest = ranked, []
    order = [*shown, *(["others"] if rest else []), "unknown"]
    drawn = label.where(~label.isin(rest), "others")
    data["label"] = pd.Categorical(drawn, categories=order)
    data["score"] = annotation["score"].to_numpy()
    return data


def coordinates(adata: AnnData, basis: str) -> pd.DataFrame:
    """Read the first two columns of an embedding.

    Raises
    ------
    ValueError
        If it is missing.
    """
    if basis not in adata.obsm:
        cure = (
            f"Run `{_MAKERS[basis]}` first." if basis in _MAKERS else "Pass `basis` as one of them."
        )
        msg = f"Did not find `adata.obsm[{basis!r}]` among {list(adata.obsm)}. {cure}"
        raise ValueError(msg)
    values = np.asarray(adata.obsm[basis], dtype=float)[:, :2]
    return pd.DataFrame(values, index=adata.obs_names, columns=["x", "y"])


def colours(labels: pd.Index) -> dict[str, str]:
    """Give every label its colour."""
    named = [name for name in labels if name not in {"others", "unknown"}]
    table = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(named)}
    return table | {"others": OTHERS, "unknown": UNKNOWN}


def draw_labels(ax: Axes, data: pd.DataFrame, basis: str) -> None:
    """Draw the panel of labels, from :func:`embedding_data`."""
    table = colours(data["label"].cat.categories)
    size = point_size(len(data))
    # A shuffled order lets no label hide another that lies in the same place.
    mixed = data.sample(frac=1, random_state=0)
    grey = mixed["label"].isin(["others", "unknown"])
    for part in (mixed[grey], mixed[~grey]):
        tint = part["label"].astype(str).map(table).to_list()
        ax.scatter(part["x"], part["y"], s=size, c=tint, linewidths=0, rasterized=True)
    bare(ax, basis)
    ax.set_title("cell type", fontsize=11)
    counts = data["label"].value_counts(sort=False)
    entries = {f"{name} ({n:,})": table[name] for name, n in counts[counts > 0].items()}
    legend = draw_legend(ax, entries)
    places = {name: _middle(cells) for name, cells in mixed[~grey].groupby("label", observed=True)}
    at = np.array([*places.values()]).reshape(-1, 2)
    if not name_points(ax, list(places), at, cells=data[["x", "y"]].to_numpy()):
        for number, text in enumerate(legend.get_texts()[: len(places)], start=1):
            text.set_text(f"{number}  {text.get_text()}")


def _middle(cells: pd.DataFrame) -> np.ndarray:
    """Find the cell nearest to the median, which itself may lie between two clouds."""
    at = cells[["x", "y"]].to_numpy()
    distance = np.linalg.norm(at - np.median(at, axis=0), axis=1)
    return at[np.argmin(distance)]


def _draw_score(ax: Axes, data: pd.DataFrame, basis: str) -> None:
    known = data[data["score"].notna()].sample(frac=1, random_state=0)
    size = point_size(len(data))
    ax.scatter(data["x"], data["y"], s=size, c=UNKNOWN, linewidths=0, rasterized=True)
    points = ax.scatter(
        known["x"],
        known["y"],
        s=size,
        c=known["score"],
        cmap="viridis",
        vmin=0,
        vmax=1,
        linewidths=0,
        rasterized=True,
    )
    bare(ax, basis)
    ax.set_title("confidence", fontsize=11)
    colour_bar(points, ax, "calibrated score")
