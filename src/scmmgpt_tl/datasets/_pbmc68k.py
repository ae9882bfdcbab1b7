from __future__ import annotations

from typing import TYPE_CHECKING

import scanpy as sc

if TYPE_CHECKING:
    from anndata import AnnData


def pbmc68k() -> AnnData:
    """Give 700 labelled human blood cells, 765 genes, log-normalised.

    Scanpy's :func:`~scanpy.datasets.pbmc68k_reduced` with `X` as its `.raw` holds it.
    **There are no counts in it**: `X` is `log(x + 1)` of normalised values, of 765 variable genes, so
    the tools need `counts="lognorm"` here.

    Returns
    -------
    Cells x genes; `X` is float32 CSR, log-normalised. `obs["bulk_labels"]` holds the cell types,
    `obs["louvain"]` clusters, `obsm["X_umap"]` and `obsm["X_pca"]` coordinates.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.pbmc68k()
    >>> print(scmm.pp.check_counts(adata, counts="lognorm").kind)
    lognorm
    """
    adata = sc.datasets.pbmc68k_reduced().raw.to_adata()
    adata.X = adata.X.astype("float32")
    return adata
