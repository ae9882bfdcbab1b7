"""Draw generated cells beside real ones, in the same coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scmmgpt_tl._expression import log_expression
from scmmgpt_tl._keys import GenerationKeys

from ._embedding import colours
from ._figure import UNKNOWN, bare, finish, new_axes, point_size
from ._legend import draw_legend

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

N_GENES, LEAST_GENES = 2000, 3
REAL, GENERATED = "real", "generated"


def generated(
    adata: AnnData,
    real: AnnData,
    groupby: str,
    *,
    key: str = "scmm_prompt",
    layer: str | None = None,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> list[Axes] | Figure | None:
    """Draw generated cells beside real ones, on the principal components of the real ones.

    Both are log-normalised over the genes that they share, and what varies most among the real cells
    makes the coordinates. A group and a text of the same name, or Cell Ontology id, share a colour.

    Parameters
    ----------
    adata
        Cells made by :func:`scmmgpt_tl.tl.generate`.
    real
        Real cells with raw counts.
    groupby
        Column of `real.obs` that says what the real cells are.
    key
        The `key_added` of :func:`scmmgpt_tl.tl.generate`.
    layer
        Layer of `real` with the raw counts; by default `X`.
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
        If `adata` was not generated, the column or the layer is missing, or fewer than three genes
        are shared.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> real = scmm.datasets.immune_mini()[:60].copy()
    >>> scmm.tl.annotate(real, ["B cell", "T cell", "monocyte"])
    >>> genes = scmm.load_model().genes.symbols[:2000]
    >>> adata = scmm.tl.generate(["B cell", "T cell"], 20, genes=genes, library_size=500)
    >>> left, right = scmm.pl.generated(adata, real, "scmm_cell_type", show=False)
    >>> right.get_title()
    'generated'
    """
    data = generated_data(adata, real, groupby, key=key, layer=layer)
    axes = new_axes(2, ax=None, size=(11.5, 4.8))
    table = colours(data["kind"].cat.categories)
    for ax, source in zip(axes, (REAL, GENERATED), strict=True):
        _draw(ax, data, table, source=source)
    axes[1].set(xlim=axes[0].get_xlim(), ylim=axes[0].get_ylim())
    _draw_legend(axes[1], data, table)
    return finish(axes[0].get_figure(root=True), axes, show=show, return_fig=return_fig)


def generated_data(
    adata: AnnData, real: AnnData, groupby: str, *, key: str, layer: str | None
) -> pd.DataFrame:
    """Gather what :func:`generated` draws.

    Returns
    -------
    One row a cell, the real ones first: `x`, `y`, `kind` (category), `source` (`"real"` or
    `"generated"`).
    """
    keys = GenerationKeys(key)
    if keys.prompt not in adata.obs:
        msg = f"Did not find `adata.obs[{keys.prompt!r}]`. Pass cells made by `scmm.tl.generate`."
        raise ValueError(msg)
    if groupby not in real.obs:
        msg = f"Did not find `real.obs[{groupby!r}]`. Pass one of {list(real.obs.columns)}."
        raise ValueError(msg)
    if layer is not None and layer not in real.layers:
        msg = f"Did not find `real.layers[{layer!r}]`. Pass one of {list(real.layers)}."
        raise ValueError(msg)
    theirs = pd.Index(real.var_names)
    # A repeated name says nothing of which column is meant.
    shared = [name for name in adata.var_names if (theirs == name).sum() == 1]
    if len(shared) < LEAST_GENES:
        msg = (
            f"`adata` and `real` share {len(shared)} genes; {LEAST_GENES} are needed. Generate with "
            "`genes=real.var_names`."
        )
        raise ValueError(msg)
    matrix = real.X if layer is None else real.layers[layer]
    ours = _log_normalise(adata.X, adata.var_names.get_indexer(shared))
    values = _log_normalise(matrix, theirs.get_indexer(shared))
    x, y = _project(values, ours)
    groups = _as_prompts(real.obs[groupby].astype(str), adata.obs, keys)
    kinds = [*groups, *adata.obs[keys.prompt].astype(str)]
    order = list(dict.fromkeys([*adata.obs[keys.prompt].astype(str), *sorted(set(groups))]))
    return pd.DataFrame(
        {
            "x": x,
            "y": y,
            "kind": pd.Categorical(kinds, categories=order),
            "source": np.repeat([REAL, GENERATED], [real.n_obs, adata.n_obs]),
        },
        index=[*real.obs_names, *adata.obs_names],
    )


def _as_prompts(groups: pd.Series, made: pd.DataFrame, keys: GenerationKeys) -> list[str]:
    """Call a group by the text that means it, be it by its Cell Ontology id."""
    pairs = zip(made[keys.cl].astype(str), made[keys.prompt].astype(str), strict=True)
    texts = {term: text for term, text in pairs if term}
    return [texts.get(name, name) for name in groups]


def _log_normalise(matrix: object, columns: NDArray[np.intp]) -> NDArray[np.float32]:
    chosen = sparse.csc_matrix(matrix, dtype=np.float64)[:, columns]
    logged: NDArray[np.float32] = log_expression(chosen).toarray().astype(np.float32)
    return logged


def _project(
    real: NDArray[np.float32], made: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """First two principal components of the real cells, for both."""
    from sklearn.decomposition import PCA

    columns = np.argsort(-real.var(0), kind="stable")[:N_GENES]
    pca = PCA(2, random_state=0).fit(real[:, columns])
    found = np.concatenate([pca.transform(part[:, columns]) for part in (real, made)])
    return found[:, 0], found[:, 1]


def _draw(ax: Axes, data: pd.DataFrame, table: dict[str, str], *, source: str) -> None:
    here = (data["source"] == source).to_numpy()
    size = point_size(int(here.sum()))
    # The others lie behind in grey: what is missing on one side shows.
    ax.scatter(data["x"][~here], data["y"][~here], s=size, c=UNKNOWN, linewidths=0, rasterized=True)
    mixed = data[here].sample(frac=1, random_state=0)
    tint = mixed["kind"].astype(str).map(table).to_list()
    ax.scatter(mixed["x"], mixed["y"], s=size, c=tint, linewidths=0, rasterized=True)
    bare(ax, "X_pc")
    ax.set_title(source, fontsize=11)


def _draw_legend(ax: Axes, data: pd.DataFrame, table: dict[str, str]) -> None:
    made = (data["source"] == GENERATED).groupby(data["kind"], observed=True).agg(["sum", "size"])
    entries = {}
    for name in made.index:
        n_made = int(made.loc[name, "sum"])
        n_real = int(made.loc[name, "size"]) - n_made
        entries[f"{name} ({n_real:,} | {n_made:,})"] = table[name]
    draw_legend(ax, entries, title=f"{REAL} | {GENERATED}")
