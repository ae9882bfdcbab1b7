from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad

if TYPE_CHECKING:
    from anndata import AnnData

PATH = Path(__file__).parent / "data" / "pbmc_cite.h5ad"


def pbmc_cite() -> AnnData:
    """Give 200 human blood cells, 16,581 genes and 29 surface proteins, unlabelled, with raw counts.

    CITE-seq: the proteins are counts of antibodies, named as the vendor names them.
    They are cells of the 5k PBMC data set of 10x Genomics as scvi-tools tests itself with
    them (Gayoso et al., Nature Methods 2021; BSD-3-Clause licence); `uns["source"]` holds the
    attribution.

    Returns
    -------
    Cells x genes; `X` is float32 CSR with counts, `obsm["protein_expression"]` a
    :class:`~pandas.DataFrame` of cells x antibodies.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc_cite()
    >>> adata.obsm["protein_expression"].shape
    (200, 29)
    """
    adata = ad.read_h5ad(PATH)
    adata.X = adata.X.tocsr()
    return adata
