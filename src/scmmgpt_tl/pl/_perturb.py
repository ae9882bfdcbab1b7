"""Draw what a perturbation is predicted to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl.get import perturbation_df

from ._figure import FAINT, INK, PALETTE, finish, name_bars, new_axes

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OBSERVED = "observed"
# More names hide each other; the bars have them all.
N_NAMED = 6


def perturb(
    adata: AnnData,
    perturbation: str | None = None,
    group: str | None = None,
    *,
    observed: AnnData | None = None,
    n_genes: int = 15,
    key: str = "scmm_perturb",
    show: bool | None = None,
    return_fig: bool | None = None,
) -> list[Axes] | Figure | None:
    """Draw predicted against control expression, or against what was observed, and the top genes.

    Parameters
    ----------
    adata
        What :func:`scmmgpt_tl.tl.perturb` returned.
    perturbation, group
        What to draw; by default the first of each.
    observed
        The same perturbation and group as measured, from :func:`scmmgpt_tl.tl.perturb` with a model
        that learned from them too: predicted shifts are drawn against these.
    n_genes
        How many of the largest predicted shifts to name.
    key
        The `key_added` of :func:`scmmgpt_tl.tl.perturb`.
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
        There is no such prediction, or nothing in `observed` to compare it with.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:60].copy()
    >>> adata.obs["done"] = ["control", "nothing in particular"] * 30
    >>> learned = scmm.train.perturbation(adata, "done", "control")
    >>> predicted = scmm.tl.perturb(adata, "nothing in particular", model=learned)
    >>> left, right = scmm.pl.perturb(predicted, show=False)
    >>> right.get_xlabel()
    'predicted shift'
    """
    data = perturb_data(adata, perturbation, group, observed=observed, key=key)
    axes = new_axes(2, ax=None, size=(10.5, 4.8))
    top = data.head(n_genes)
    if OBSERVED in data:
        _draw_points(axes[0], data, top, x=OBSERVED, y="shift")
        r = np.corrcoef(data[OBSERVED], data["shift"])[0, 1]
        axes[0].set(xlabel="observed shift", ylabel="predicted shift", title=f"r = {r:.2f}")
    else:
        _draw_points(axes[0], data, top, x="control", y="predicted")
        axes[0].set(xlabel="control", ylabel="predicted")
    _draw_bars(axes[1], top)
    figure = axes[0].get_figure(root=True)
    figure.suptitle(f"{data['perturbation'].iloc[0]}, {data['group'].iloc[0]}", fontsize=11)
    return finish(figure, axes, show=show, return_fig=return_fig)


def perturb_data(
    adata: AnnData,
    perturbation: str | None,
    group: str | None,
    *,
    observed: AnnData | None,
    key: str,
) -> pd.DataFrame:
    """Gather what :func:`perturb` draws.

    Returns
    -------
    One row a gene, as in :func:`scmmgpt_tl.get.perturbation_df`, the largest predicted shifts first;
    with `observed` those that both have, and its shift as `observed`.
    """
    whole = perturbation_df(adata, perturbation, group, key=key)
    first = whole.iloc[0]
    data = whole[
        (whole["perturbation"] == first["perturbation"]) & (whole["group"] == first["group"])
    ]
    if observed is None:
        return data
    measured = perturbation_df(observed, first["perturbation"], first["group"], key=key)
    shifts = measured.set_index("name")["shift"]
    data = data[data["name"].isin(shifts.index)]
    if data.empty:
        msg = (
            "`observed` shares no gene with `adata`. Predict it in the genes of the same data set."
        )
        raise ValueError(msg)
    return data.assign(**{OBSERVED: shifts.reindex(data["name"]).to_numpy()})


def _draw_points(ax: Axes, data: pd.DataFrame, top: pd.DataFrame, *, x: str, y: str) -> None:
    named = data.index.isin(top.index)
    ends = data[[x, y]].to_numpy().min(), data[[x, y]].to_numpy().max()
    ax.plot(ends, ends, color=FAINT, lw=0.8, ls=":", zorder=0)
    others = data[~named]
    ax.scatter(others[x], others[y], s=6, c=FAINT, linewidths=0, alpha=0.5, rasterized=True)
    ax.scatter(top[x], top[y], s=14, c=PALETTE[0], linewidths=0)
    near = {"xytext": (3, 2), "textcoords": "offset points", "fontsize": 7, "color": INK}
    first = top.head(N_NAMED)
    for name, *at in zip(first["name"], first[x], first[y], strict=True):
        ax.annotate(name, at, **near)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_bars(ax: Axes, top: pd.DataFrame) -> None:
    place = np.arange(len(top))
    tint = np.where(top["shift"] < 0, PALETTE[0], PALETTE[5])
    ax.barh(place, top["shift"], color=list(tint), height=0.7)
    if OBSERVED in top:
        ax.plot(top[OBSERVED], place, "o", ms=4, color=INK, label=OBSERVED)
        ax.legend(frameon=False, fontsize=8, loc="best")
    ax.axvline(0, color=INK, lw=0.8)
    name_bars(ax, top["name"])
    ax.set_xlabel("predicted shift")
