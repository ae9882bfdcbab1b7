"""Labelled cells on disk, in every way that a run may read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

N_CELLS = 400
# Of 400 cells one is a hepatocyte; a quarter has no type.
TERMS = np.array(["CL:0000084", "CL:0000236", "CL:0000084", ""])[np.arange(N_CELLS) % 4]
TERMS[200] = "CL:0000182"


@pytest.fixture(scope="session")
def adata(gene_table) -> AnnData:
    """400 cells; each expresses a number of counts of its own in the first gene."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.3, (N_CELLS, len(gene_table))).astype(np.float32)
    counts[:, 0] = np.arange(1, N_CELLS + 1)
    obs = pd.DataFrame(
        {
            "cell_type_id": pd.Categorical(TERMS),
            "tissue": np.repeat(["blood", "liver"], N_CELLS // 2),
            "donor": np.repeat(["Ada", "Ben", "unknown", "7"], N_CELLS // 4),
        },
        index=[f"c{i}" for i in range(N_CELLS)],
    )
    return AnnData(
        csr_matrix(counts),
        obs=obs,
        var=pd.DataFrame(index=list(gene_table.symbols)),
        uns={"reference": "Somebody et al. 2020, GSE1", "note": "nothing"},
    )


@pytest.fixture(scope="session")
def stores(adata, tmp_path_factory):
    """The same cells in a folder of files."""
    folder = tmp_path_factory.mktemp("stores")
    adata.write_h5ad(folder / "rows.h5ad", compression="gzip")
    adata.write_zarr(folder / "chunks.zarr")
    other = adata.copy()
    other.X = adata.X.tocsc()
    other.write_h5ad(folder / "columns.h5ad")
    other.X = adata.X.toarray()
    other.write_h5ad(folder / "dense.h5ad")
    return folder
