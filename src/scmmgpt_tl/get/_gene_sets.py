"""Results of scoring gene sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from anndata import AnnData

from scmmgpt_tl._keys import GeneSetKeys

from ._record import read_record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def gene_set_scores(adata: AnnData, *, key: str = "scmm_gene_sets") -> AnnData:
    """Get the scores of gene sets as an AnnData of cells x sets.

    All of :mod:`scanpy.pl` works on it: a set takes the place of a gene.

    Parameters
    ----------
    adata
        Cells scored by :func:`scmmgpt_tl.tl.score_gene_sets`.
    key
        Its `key_added`.

    Returns
    -------
    A new object with `X` (dtype `float32`), `var[['n_genes', 'n_measured']]`, and copies of `obs`
    and `obsm`.

    Raises
    ------
    ValueError
        No gene sets were scored under this key.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.score_gene_sets(adata, {"T": ["CD3D", "CD3E"], "B": ["CD79A", "MS4A1"]})
    >>> scmm.get.gene_set_scores(adata).shape
    (50, 2)
    """
    record = _record(adata, key)
    frame, genes = adata.obsm[GeneSetKeys(key).obsm], record["genes"]
    sizes = genes.groupby("set", sort=False, observed=True)["measured"].agg(["size", "sum"])
    var = pd.DataFrame(
        {"n_genes": sizes["size"].to_numpy(), "n_measured": sizes["sum"].to_numpy(dtype=int)},
        index=frame.columns.astype(str),
    )
    others = {name: value.copy() for name, value in adata.obsm.items() if name != key}
    return AnnData(frame.to_numpy(copy=True), obs=adata.obs.copy(), var=var, obsm=others)


def gene_sets_df(adata: AnnData, *, key: str = "scmm_gene_sets") -> pd.DataFrame:
    """Get the genes that the sets were scored with.

    Parameters
    ----------
    adata
        Cells scored by :func:`scmmgpt_tl.tl.score_gene_sets`.
    key
        Its `key_added`.

    Returns
    -------
    A copy, with one row per set and gene: `set`, `gene`, `weight`, `measured` and `source`
    (`"genes"` or `"text"`).

    Raises
    ------
    ValueError
        No gene sets were scored under this key.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.score_gene_sets(adata, {"T": ["CD3D", "CD3E"]})
    >>> scmm.get.gene_sets_df(adata)["gene"].tolist()
    ['CD3D', 'CD3E']
    """
    return _record(adata, key)["genes"].reset_index(drop=True).copy()


def _record(adata: AnnData, key: str) -> Mapping[str, Any]:
    record = read_record(adata, GeneSetKeys(key).uns, needs="genes", tool="score_gene_sets")
    if GeneSetKeys(key).obsm not in adata.obsm:
        msg = f"Did not find adata.obsm[{key!r}]. Run `scmm.tl.score_gene_sets` first."
        raise ValueError(msg)
    return record
