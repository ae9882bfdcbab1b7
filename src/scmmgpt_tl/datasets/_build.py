"""Make the data file of `immune_mini` from CellTypist's: `python -m scmmgpt_tl.datasets._build CSV`."""

from __future__ import annotations

import sys
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from ._immune_mini import PATH

_SOURCE = {
    "name": "CellTypist 1.7.1, sample_cell_by_gene.csv",
    "url": "https://github.com/Teichlab/celltypist",
    "reference": "CellTypist: Domínguez Conde et al., Science 376, eabl5197 (2022)",
    "licence": "MIT, Copyright (c) 2020 Teichmann Lab",
    "organism": "Homo sapiens",
}


def build(csv: Path, path: Path = PATH) -> None:
    """Convert the table of cells x genes to a small h5ad.

    The values are whole numbers but for noise of 1e-11, which float32 does not hold.

    Parameters
    ----------
    csv
        CellTypist's file.
    path
        File to write.
    """
    table = pd.read_csv(csv, index_col=0)
    adata = ad.AnnData(
        # By columns: cell numbers under each gene take less space than gene numbers under each cell.
        sparse.csc_matrix(table.to_numpy(dtype=np.float32)),
        obs=pd.DataFrame(index=table.index.astype(str)),
        var=pd.DataFrame(index=table.columns.astype(str)),
    )
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
        ad.io.write_elem(file, "/", adata, dataset_kwargs=packed)
        # HDF5 cannot compress single strings.
        ad.io.write_elem(file, "uns", {"source": _SOURCE})


if __name__ == "__main__":
    build(Path(sys.argv[1]))
