from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad

if TYPE_CHECKING:
    from anndata import AnnData

PATH = Path(__file__).parent / "data" / "immune_mini.h5ad"


def immune_mini() -> AnnData:
    """Give 559 human immune cells, 32,786 genes, unlabelled, with raw counts.

    Cells of several immune lineages as users bring them: the whole transcriptome, with symbols of an
    older annotation (`IGJ` for what is now `JCHAIN`).
    They are the sample data of CellTypist 1.7.1 (Domínguez Conde et al., Science 2022; MIT licence),
    converted once; `uns["source"]` holds the attribution.

    Returns
    -------
    Cells x genes; `X` is float32 CSR with counts.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> scmm.datasets.immune_mini().shape
    (559, 32786)
    """
    adata = ad.read_h5ad(PATH)
    adata.X = adata.X.tocsr()
    return adata
