"""From counts under any names of genes to the embedding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, hstack

import scmmgpt_tl as scmm


@pytest.mark.parametrize("version", [1, 2])
def test_embed(counts_adata, make_folder, version):
    folder = make_folder(version)
    scmm.tl.embed(counts_adata, model=folder)
    model = scmm.load_model(folder)
    rows = csr_matrix(counts_adata[:, list(model.genes.symbols)].X)
    expected = model.network.pool(*model.network(model.tokenizer(rows)), model.tokenizer(rows))
    found = counts_adata.obsm["X_geneformer"]
    np.testing.assert_allclose(found, expected.detach(), rtol=0, atol=1e-5)
    assert counts_adata.uns["X_geneformer"]["params"]["model"] == f"Geneformer V{version}"


@pytest.mark.parametrize("names", ["ids", "versions"])
def test_ensembl_ids_are_found_and_merged_ones_added_up(counts_adata, make_folder, gene_ids, names):
    folder = make_folder(2)
    scmm.tl.embed(counts_adata, model=folder)
    ids = counts_adata.var["gene_ids"].astype(str).tolist()
    # Half of the counts of a gene stand under an id that was merged into its own.
    other = counts_adata.copy()
    place = ids.index(gene_ids[5])
    counts = other.X.tolil()
    part = np.floor(counts[:, place].toarray() / 2)
    counts[:, place] = counts[:, place].toarray() - part
    from anndata import AnnData

    split = AnnData(hstack([counts.tocsr(), csr_matrix(part)], format="csr"), obs=other.obs)
    split.var_names = [*ids, "ENSG00000999999"]
    if names == "versions":
        split.var_names = [
            f"{name}.3" if name.startswith("ENSG") else name for name in split.var_names
        ]
    scmm.tl.embed(split, model=folder)
    np.testing.assert_allclose(
        split.obsm["X_geneformer"], counts_adata.obsm["X_geneformer"], rtol=0, atol=1e-5
    )
    assert split.uns["X_geneformer"]["genes"]["n_duplicated"] == 2


@pytest.mark.parametrize("version", [1, 2])
def test_batches_and_order_do_not_matter(counts_adata, make_folder, version):
    model = scmm.load_model(make_folder(version))
    counts = counts_adata.X.toarray()
    counts[4] = 0
    counts_adata.X = csr_matrix(counts)
    scmm.tl.embed(counts_adata, model=model)
    other = counts_adata[::-1].copy()
    scmm.tl.embed(other, model=model, batch_size=7)
    found = other[counts_adata.obs_names].obsm["X_geneformer"]
    np.testing.assert_allclose(found, counts_adata.obsm["X_geneformer"], rtol=0, atol=1e-5)
    assert torch.from_numpy(found).isfinite().all()
