from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from scipy import sparse

from scmmgpt_tl import datasets
from scmmgpt_tl.datasets._build import build_immune_mini, build_pbmc_cite
from scmmgpt_tl.datasets._immune_mini import PATH


def test_immune_mini():
    adata = datasets.immune_mini()
    assert adata.shape == (559, 32_786)
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.dtype == np.float32
    assert adata.X.has_canonical_format
    assert (adata.X.data == np.rint(adata.X.data)).all()
    assert adata.X.nnz == 1_027_859
    assert adata.obs_names.is_unique
    assert "IGJ" in adata.var_names
    assert "JCHAIN" not in adata.var_names


def test_immune_mini_looks_like_immune_cells():
    adata = datasets.immune_mini()
    expressed = {g: np.mean(adata[:, g].X.toarray() > 0) for g in ("PTPRC", "CD3E", "MS4A1", "INS")}
    assert expressed["PTPRC"] > 0.5
    assert expressed["CD3E"] > 0.05
    assert expressed["MS4A1"] > 0.01
    assert expressed["INS"] == 0


def test_attribution_travels_with_the_data():
    source = datasets.immune_mini().uns["source"]
    assert source["licence"] == "MIT, Copyright (c) 2020 Teichmann Lab"
    notice = (PATH.parent / "NOTICE").read_text(encoding="utf-8")
    assert "immune_mini.h5ad" in notice
    assert "Permission is hereby granted, free of charge" in notice


def test_file_is_small():
    assert PATH.stat().st_size < 3e6


def test_each_call_gives_its_own_object():
    first = datasets.immune_mini()
    first.X.data[:] = 0
    assert datasets.immune_mini().X.data.any()


def test_build_keeps_values_and_names(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.poisson(1, size=(5, 7)) * (1 - 1e-13)
    table = pd.DataFrame(values, [f"Cell_{i}" for i in range(5)], [f"GENE{i}" for i in range(7)])
    table.to_csv(tmp_path / "x.csv")
    build_immune_mini(tmp_path / "x.csv", tmp_path / "x.h5ad")
    adata = ad.read_h5ad(tmp_path / "x.h5ad")
    np.testing.assert_array_equal(adata.X.toarray(), np.rint(values))
    assert list(adata.obs_names) == list(table.index)
    assert list(adata.var_names) == list(table.columns)
    assert adata.uns["source"]["licence"].startswith("MIT")


def test_pbmc_cite():
    adata = datasets.pbmc_cite()
    assert adata.shape == (200, 16_581)
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.nnz == 387_353
    found = adata.obsm["protein_expression"]
    for values in (adata.X.data, found.to_numpy()):
        assert values.dtype == np.float32
        assert (values == np.rint(values)).all()
    assert list(found.index) == list(adata.obs_names)
    assert "CD8a_TotalSeqB" in found
    assert adata.uns["source"]["licence"].startswith("BSD-3-Clause")
    assert "pbmc_cite.h5ad" in (PATH.parent / "NOTICE").read_text(encoding="utf-8")


def test_pbmc_cite_proteins_go_with_their_genes():
    adata = datasets.pbmc_cite()
    for antibody, gene in {"CD3_TotalSeqB": "CD3E", "CD14_TotalSeqB": "LYZ"}.items():
        protein = np.log1p(adata.obsm["protein_expression"][antibody].to_numpy())
        rna = np.log1p(adata[:, gene].X.toarray()[:, 0])
        assert np.corrcoef(protein, rna)[0, 1] > 0.6


def test_build_of_cite_keeps_counts_and_names_alone(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"set:cell-{i}" for i in range(5)]
    adata = ad.AnnData(sparse.csr_matrix(rng.poisson(1, size=(5, 7)).astype(np.float32)))
    adata.obs_names, adata.obs["more"] = names, 1
    counts = pd.DataFrame(rng.poisson(9, size=(5, 2)), names, ["CD3", "CD4"])
    adata.obsm["protein_expression"] = counts
    adata.write_h5ad(tmp_path / "x.h5ad")
    build_pbmc_cite(tmp_path / "x.h5ad", tmp_path / "y.h5ad")
    found = ad.read_h5ad(tmp_path / "y.h5ad")
    np.testing.assert_array_equal(found.X.toarray(), adata.X.toarray())
    np.testing.assert_array_equal(found.obsm["protein_expression"], counts)
    assert list(found.obs_names) == [f"cell-{i}" for i in range(5)]
    assert not list(found.obs)


def test_pbmc68k_is_what_raw_holds():
    adata = datasets.pbmc68k()
    reduced = sc.datasets.pbmc68k_reduced()
    assert adata.raw is None
    np.testing.assert_array_equal(adata.X.toarray(), reduced.raw.X.toarray())
    assert list(adata.var_names) == list(reduced.raw.var_names)
    np.testing.assert_array_equal(adata.obsm["X_umap"], reduced.obsm["X_umap"])
    assert adata.obs["bulk_labels"].equals(reduced.obs["bulk_labels"])
    assert adata.shape == (700, 765)


def test_pbmc68k_can_be_written(tmp_path):
    datasets.pbmc68k().write_h5ad(tmp_path / "x.h5ad")
