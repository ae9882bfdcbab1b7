"""Draw which proteins the cells of each label have, and where that is not as expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scmmgpt_tl import get
from scmmgpt_tl._keys import ProteinKeys

from ._figure import INK, PALETTE, finish, new_axes
from ._scores import along_diagonal
from ._text import wrap

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIGNS = {1: "+", -1: "\N{MINUS SIGN}", 0: ""}
_ODD = PALETTE[5]


class Shown(NamedTuple):
    """What is drawn: labels (rows) x antibodies (columns), and how many cells disagree."""

    share: pd.DataFrame
    expected: pd.DataFrame
    n_cells: pd.Series
    disagrees: pd.Series

    @property
    def odd(self) -> pd.DataFrame:
        """Where most cells of a label are not as the label lets expect."""
        lacks = (self.expected == 1) & (self.share < 0.5)
        return lacks | ((self.expected == -1) & (self.share > 0.5))


def proteins(
    adata: AnnData,
    *,
    key: str = "scmm_cell_type_protein",
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool | None = None,
) -> Axes | Figure | None:
    """Draw the share of cells of each label that are positive for each protein.

    `+` and `\N{MINUS SIGN}` stand where the label lets expect that its cells have the protein, or lack
    it, and are framed where most cells are not so. Behind each label stands how many cells it has,
    and how many of them their proteins disagree with. Antibodies that part no cells are left out.

    Parameters
    ----------
    adata
        Cells that :func:`scmmgpt_tl.tl.proteins` was asked about.
    key
        Its `key_added`.
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
        If the proteins were not asked, or none of them parts the cells.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc_cite()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "natural killer cell", "monocyte"])
    >>> scmm.tl.proteins(adata)
    >>> ax = scmm.pl.proteins(adata, show=False)
    >>> ax.get_ylabel()
    'scmm_cell_type'
    """
    shown = proteins_data(adata, key=key)
    n_rows, n_columns = shown.share.shape
    size = (4.0 + 0.36 * n_columns, max(3.0, 1.8 + 0.36 * n_rows))
    (axis,) = new_axes(ax=ax, size=size)
    _draw(axis, shown)
    axis.set_ylabel(str(adata.uns[key]["params"]["key"]))
    return finish(axis.get_figure(root=True), axis, show=show, return_fig=return_fig)


def proteins_data(adata: AnnData, *, key: str) -> Shown:
    """Gather what :func:`proteins` draws."""
    cells = get.protein_df(adata, key=key)
    positive = adata.obsm[ProteinKeys(key).positive]
    if not positive.shape[1]:
        msg = f"No antibody parts the cells: see `scmm.get.protein_df(adata, key={key!r}, table='splits')`."
        raise ValueError(msg)
    label = cells["label"].astype(str).to_numpy()
    share = positive.groupby(label).mean()
    share = along_diagonal(share.fillna(0), n_labels=share.shape[1]).where(share.notna())
    expected = get.protein_df(adata, key=key, table="expected").set_index("label")
    antibodies = get.protein_df(adata, key=key, table="antibodies")
    protein = dict(
        zip(antibodies["antibody"].str.replace("/", "|"), antibodies["protein"], strict=True)
    )
    of_antibody = pd.DataFrame(
        {name: expected.get(protein[name], pd.Series(0, expected.index)) for name in share}
    )
    disagrees = (cells["verdict"] == "disagrees").groupby(label).sum()
    n_cells = pd.Series(label).value_counts()
    rows = share.index
    return Shown(share, of_antibody.loc[rows], n_cells[rows], disagrees[rows])


def _draw(ax: Axes, shown: Shown) -> None:
    from matplotlib.patches import Rectangle

    values = shown.share.to_numpy(dtype=float)
    image = ax.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    names = [name.split("_TotalSeq")[0] for name in shown.share]
    ax.set_xticks(range(len(names)), names, rotation=90, size=8)
    rows = [
        "\n".join(wrap(name, width=2.6, size=8)) + f" ({n:,}; {odd:,} disagree)"
        for name, n, odd in zip(shown.share.index, shown.n_cells, shown.disagrees, strict=True)
    ]
    ax.set_yticks(range(len(rows)), rows, size=8)
    for text in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        text.set_parse_math(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    odd = shown.odd.to_numpy()
    for (row, column), sign in np.ndenumerate(shown.expected.to_numpy(dtype=int)):
        ink = "white" if values[row, column] > 0.6 else INK
        ax.text(column, row, _SIGNS[sign], ha="center", va="center", size=9, color=ink)
        if odd[row, column]:
            place = (column - 0.5, row - 0.5)
            ax.add_patch(Rectangle(place, 1, 1, fill=False, color=_ODD, linewidth=1.8))
    bar = ax.get_figure(root=False).colorbar(
        image, ax=ax, shrink=min(0.8, 5 / len(rows)), aspect=14, pad=0.02
    )
    bar.set_label("share of positive cells", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
