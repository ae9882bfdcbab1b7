"""Shares of cell types in spots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl._columns import read_column
from scmmgpt_tl._keys import MixtureKeys

from ._record import read_record

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def mixture_df(
    adata: AnnData, groupby: str | None = None, *, key: str = "scmm_mixture"
) -> pd.DataFrame:
    """Get the shares of cell types in spots, or their means over groups of spots.

    Parameters
    ----------
    adata
        Spots split by :func:`scmmgpt_tl.tl.deconvolve`.
    groupby
        Column of `.obs` with groups of spots, such as regions; by default every spot by itself.
    key
        Its `key_added`.

    Returns
    -------
    A copy, one row a spot or group, one column a label.

    Raises
    ------
    ValueError
        The spots are not split under this key, or there is no such column.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.deconvolve(adata, ["T cell", "B cell", "macrophage"])
    >>> list(scmm.get.mixture_df(adata))
    ['T cell', 'B cell', 'macrophage']
    """
    keys = MixtureKeys(key)
    record = read_record(adata, keys.uns, needs="labels", tool="deconvolve")
    if keys.shares not in adata.obsm:
        msg = f"Did not find adata.obsm[{keys.shares!r}]. Run `scmm.tl.deconvolve` again."
        raise ValueError(msg)
    shares = adata.obsm[keys.shares].copy()
    shares.columns = [str(name) for name in record["labels"]["name"]]
    if groupby is None:
        return shares
    groups = read_column(adata.obs, groupby, argument="groupby")
    return shares.groupby(groups, observed=True).mean()
