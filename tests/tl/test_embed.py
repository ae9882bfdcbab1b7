from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm

from .conftest import assert_same


@pytest.fixture
def embedded(counts_adata, tiny_model):
    scmm.tl.embed(counts_adata, model=tiny_model)
    return counts_adata


def test_unit_rows(embedded, tiny_model):
    found = embedded.obsm["X_scmm"]
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    rows = csr_matrix(embedded[:, list(tiny_model.genes.symbols)].X)
    np.testing.assert_allclose(found, tiny_model.encode_cells(rows).cell.numpy(), atol=1e-5)


def test_neighbours_take_it(embedded):
    sc.pp.neighbors(embedded, use_rep="X_scmm", n_neighbors=5)
    assert embedded.obsp["connectivities"].shape == (60, 60)
    assert embedded.uns["X_scmm"]["genes"]["n_matched"] == 300


@pytest.fixture
def by_scgpt(counts_adata, scgpt_folder):
    scmm.tl.embed(counts_adata, model=scgpt_folder)
    return counts_adata


def test_published_encoder(by_scgpt, scgpt_folder):
    model = scmm.load_model(scgpt_folder)
    rows = csr_matrix(by_scgpt[:, list(model.genes.symbols)].X)
    found = by_scgpt.obsm["X_scgpt"]
    np.testing.assert_allclose(found, model.encode_cells(rows).cell.numpy(), atol=1e-5)
    record = by_scgpt.uns["X_scgpt"]
    assert record["params"]["model"] == "scGPT"
    assert record["params"]["sha256"] == model.sha256
    assert record["params"]["key_added"] == "X_scgpt"
    assert record["genes"]["n_matched"] == 300
    assert "X_scmm" not in by_scgpt.obsm


def test_another_key(counts_adata, scgpt_folder):
    scmm.tl.embed(counts_adata, model=scgpt_folder, key_added="mine")
    assert set(counts_adata.uns) == {"mine"}
    assert "mine" in counts_adata.obsm


@pytest.mark.parametrize("change", ["order", "batches", "dense", "ids"])
def test_published_encoder_sees_the_cell_alone(by_scgpt, scgpt_folder, change):
    other = by_scgpt[::-1].copy() if change == "order" else by_scgpt.copy()
    if change == "dense":
        other.X = other.X.toarray()
    if change == "ids":
        other.var_names = other.var["gene_ids"].astype(str)
        del other.var["gene_ids"]
    scmm.tl.embed(other, model=scgpt_folder, batch_size=7 if change == "batches" else None)
    found = other[by_scgpt.obs_names].obsm["X_scgpt"]
    np.testing.assert_allclose(found, by_scgpt.obsm["X_scgpt"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "tool",
    [
        scmm.tl.annotate,
        scmm.tl.describe,
        scmm.tl.rank_terms,
        lambda adata, **more: scmm.tl.search(adata, "T cell", **more),
        lambda _, **more: scmm.tl.generate("T cell", 3, **more),
    ],
    ids=["annotate", "describe", "rank_terms", "search", "generate"],
)
@pytest.mark.parametrize("loaded", [True, False])
def test_published_encoder_has_no_text_side(counts_adata, scgpt_folder, tool, loaded):
    before = counts_adata.copy()
    model = scmm.load_model(scgpt_folder) if loaded else scgpt_folder
    with pytest.raises(ValueError, match="scGPT has no text side: it is a published cell encoder"):
        tool(counts_adata, model=model)
    assert_same(before, counts_adata)
