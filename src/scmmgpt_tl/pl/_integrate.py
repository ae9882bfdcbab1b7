"""Draw cells before and after integration, by batch and by label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scmmgpt_tl.get._record import read_record

from ._embedding import colours, coordinates, draw_labels, embedding_data
from ._figure import PALETTE, bare, finish, point_size
from ._legend import draw_legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def integrate(
    adata: AnnData,
    basis: str | Sequence[str] = "X_umap",
    *,
    key: str = "X_scmm_integrated",
    labels: str = "scmm_cell_type",
    n_labels: int = len(PALETTE),
    show: bool | None = None,
    return_fig: bool | None = None,
) -> list[Axes] | Figure | None:
    """Draw cells by batch and, beside that, by label; one row for each embedding.

    Batches should lie in one another, and labels apart. With two embeddings, such as a UMAP before
    and one after, both can be compared.

    Parameters
    ----------
    adata
        Integrated and annotated cells with an embedding.
    basis
        Key of an embedding in `adata.obsm`, or several.
    key
        The `key_added` of :func:`scmmgpt_tl.tl.integrate`.
    labels
        The `key_added` of :func:`scmmgpt_tl.tl.annotate` or :func:`scmmgpt_tl.tl.refine`.
    n_labels
        The commonest labels get a colour and a name each, the rest are drawn as `"others"`.
    show
        Show the picture; `None` asks :attr:`scanpy.settings.autoshow`.
    return_fig
        Return the figure.

    Returns
    -------
    If not shown, the axes, two for each embedding, or the figure if `return_fig`.

    Raises
    ------
    ValueError
        If an embedding, the annotation or the integration is missing.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:60].copy()
    >>> adata.obs["batch"] = ["one", "two"] * 30
    >>> scmm.tl.annotate(adata)
    >>> scmm.tl.integrate(adata, "batch", key="scmm_cell_type")
    >>> by_batch, by_label = scmm.pl.integrate(adata, "X_scmm_integrated", show=False)
    >>> by_batch.get_title()
    'batch'
    """
    import matplotlib.pyplot as plt

    bases = [basis] if isinstance(basis, str) else list(basis)
    rows = [
        (
            name,
            batch_data(adata, name, key=key),
            embedding_data(adata, name, key=labels, n_labels=n_labels),
        )
        for name in bases
    ]
    size = (11.5, 4.6 * len(bases))
    figure, axes = plt.subplots(len(bases), 2, figsize=size, layout="constrained", squeeze=False)
    for (left, right), (name, batches, cells) in zip(axes, rows, strict=True):
        _draw_batches(left, batches, name)
        draw_labels(right, cells, name)
    return finish(figure, list(axes.ravel()), show=show, return_fig=return_fig)


def batch_data(adata: AnnData, basis: str, *, key: str) -> pd.DataFrame:
    """Gather what the panel of batches draws.

    Returns
    -------
    One row per cell: `x`, `y`, `batch` (categories in the order of the tool's table).
    """
    record = read_record(adata, key, needs="batches", tool="integrate")
    data = coordinates(adata, basis)
    column = record["params"]["batch_key"]
    if column not in adata.obs:
        msg = f"Did not find .obs[{column!r}], by which {key!r} was made. Run `scmm.tl.integrate` again."
        raise ValueError(msg)
    names = [str(name) for name in record["batches"]["batch"]]
    data["batch"] = pd.Categorical(adata.obs[column].astype(str), categories=names)
    return data


def _draw_batches(ax: Axes, data: pd.DataFrame, basis: str) -> None:
    table = colours(data["batch"].cat.categories)
    mixed = data.sample(frac=1, random_state=0)
    tint = mixed["batch"].astype(str).map(table).to_list()
    ax.scatter(
        mixed["x"], mixed["y"], s=point_size(len(data)), c=tint, linewidths=0, rasterized=True
    )
    bare(ax, basis)
    ax.set_title("batch", fontsize=11)
    counts = data["batch"].value_counts(sort=False)
    draw_legend(ax, {f"{name} ({n:,})": table[name] for name, n in counts.items()})
