"""Results of tying genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from scmmgpt_tl._keys import GeneNetworkKeys

from ._record import read_record

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

Table = Literal["edges", "genes", "overview"]


def gene_network_df(
    adata: AnnData, *, key: str = "scmm_gene_network", table: Table = "edges"
) -> pd.DataFrame:
    """Get the genes that speak for labels together.

    Parameters
    ----------
    adata
        Cells of which :func:`scmmgpt_tl.tl.gene_network` tied the genes.
    key
        Its `key_added`.
    table
        `"edges"`: one row a tie. `"genes"`: one row a gene of a group. `"overview"`: one row a
        group.

    Returns
    -------
    A copy: of edges `group`, `rank`, `gene`, `other`, `correlation` and `coexpression`; of genes
    `group`, `gene`, `attribution`, `expression` and `n_edges`; of the overview `group`, `label`,
    `against`, `n_cells`, `n_genes`, `n_edges` and `shrinkage`.

    Raises
    ------
    ValueError
        No genes were tied under this key, or there is no such table.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()
    >>> scmm.tl.annotate(adata, ["T cell", "B cell", "macrophage"])
    >>> scmm.tl.gene_network(adata, label="T cell", max_cells=12, n_genes=20, n_edges=10)
    >>> list(scmm.get.gene_network_df(adata, table="genes"))
    ['group', 'gene', 'attribution', 'expression', 'n_edges']
    """
    if table not in get_args(Table):
        msg = f"`table` must be one of {get_args(Table)}, not {table!r}."
        raise ValueError(msg)
    record = read_record(adata, GeneNetworkKeys(key).uns, needs="edges", tool="gene_network")
    return record[table].reset_index(drop=True).copy()
