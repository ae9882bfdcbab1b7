"""Make the data files: `python -m scmmgpt_tl.datasets._build immune_mini|pbmc_cite SOURCE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from . import _immune_mini, _pbmc_cite

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMMUNE_MINI = {
    "name": "CellTypist 1.7.1, sample_cell_by_gene.csv",
    "url": "https://github.com/Teichlab/celltypist",
    "reference": "CellTypist: Domínguez Conde et al., Science 376, eabl5197 (2022)",
    "licence": "MIT, Copyright (c) 2020 Teichmann Lab",
    "organism": "Homo sapiens",
}
_PBMC_CITE = {
    "name": "scvi-tools, tests/test_data/pbmc_5k_protein_v3.h5ad",
    "url": "https://github.com/scverse/scvi-tools",
    "reference": "5k PBMC protein v3 of 10x Genomics; totalVI: Gayoso et al., Nature Methods 18, "
    "272-282 (2021)",
    "licence": "BSD-3-Clause, Copyright (c) Yosef Lab, Weizmann Institute of Science",
    "organism": "Homo sapiens",
}
PROTEINS = "protein_expression"


def build_immune_mini(csv: Path, path: Path = _immune_mini.PATH) -> None:
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
    _write(adata, path, source=_IMMUNE_MINI)


def build_pbmc_cite(h5ad: Path, path: Path = _pbmc_cite.PATH) -> None:
    """Keep counts and names of a CITE-seq file, and nothing else.

    Parameters
    ----------
    h5ad
        File with counts in `X` and a frame in `obsm["protein_expression"]`; what stands before a
        colon in names of cells is left out.
    path
        File to write.
    """
    found = ad.read_h5ad(h5ad)
    cells = [name.rpartition(":")[2] for name in found.obs_names]
    adata = ad.AnnData(
        sparse.csc_matrix(found.X, dtype=np.float32),
        obs=pd.DataFrame(index=cells),
        var=pd.DataFrame(index=found.var_names.astype(str)),
    )
    adata.obsm[PROTEINS] = found.obsm[PROTEINS].set_axis(cells).astype(np.float32)
    _write(adata, path, source=_PBMC_CITE)


def _write(adata: ad.AnnData, path: Path, *, source: Mapping[str, str]) -> None:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
        ad.io.write_elem(file, "/", adata, dataset_kwargs=packed)
        # HDF5 cannot compress single strings.
        ad.io.write_elem(file, "uns", {"source": dict(source)})


if __name__ == "__main__":
    {"immune_mini": build_immune_mini, "pbmc_cite": build_pbmc_cite}[sys.argv[1]](Path(sys.argv[2]))
