"""Shares of types in spots, by the shipped model where it matters that they are right."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm
from scmmgpt_tl.datasets import immune_mini

TYPES = ["T cell", "B cell", "monocyte"]


@pytest.fixture
def split(counts_adata, tiny_model) -> AnnData:
    scmm.tl.deconvolve(counts_adata, TYPES, model=tiny_model)
    return counts_adata


def test_what_is_written(split):
    shares = split.obsm["scmm_mixture"]
    assert list(shares) == TYPES
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert (shares.dtypes == np.float32).all()
    assert list(split.obs["scmm_mixture"].cat.categories) == TYPES
    assert list(split.obs["scmm_mixture"]) == list(shares.idxmax(axis=1))
    assert (split.obs["scmm_mixture_fit"] <= 1).all()
    record = split.uns["scmm_mixture"]
    assert list(record["labels"]["cl_id"]) == ["CL:0000084", "CL:0000236", "CL:0000576"]
    assert record["params"]["labels"] == TYPES
    assert 0 < record["n_genes"] <= 3000


def test_labels_may_hold_slashes_and_descriptions(counts_adata, tiny_model):
    words = {"T/NK": "a lymphocyte that kills", "B": "a cell that makes antibodies"}
    scmm.tl.deconvolve(counts_adata, words, model=tiny_model)
    assert list(counts_adata.obsm["scmm_mixture"]) == ["T|NK", "B"]
    assert list(counts_adata.obs["scmm_mixture"].cat.categories) == ["T/NK", "B"]
    assert list(counts_adata.uns["scmm_mixture"]["labels"]["text"]) == list(words.values())
    assert list(scmm.get.mixture_df(counts_adata)) == ["T/NK", "B"]


def test_labels_of_a_tissue(counts_adata, tiny_model):
    scmm.tl.deconvolve(counts_adata, tissue="liver", model=tiny_model)
    assert counts_adata.obsm["scmm_mixture"].shape[1] > 1


def test_something_must_be_expected(counts_adata, tiny_model):
    before = counts_adata.copy()
    with pytest.raises(ValueError, match="Say what the spots can be made of"):
        scmm.tl.deconvolve(counts_adata, model=tiny_model)
    assert list(counts_adata.obsm) == list(before.obsm)


def test_one_label_is_no_mixture(counts_adata, tiny_model):
    with pytest.raises(ValueError, match="choosing takes two"):
        scmm.tl.deconvolve(counts_adata, ["T cell"], model=tiny_model)


def test_means_of_groups(split):
    means = scmm.get.mixture_df(split, "cluster")
    np.testing.assert_allclose(means.sum(axis=1), 1, atol=1e-5)
    assert set(means.index) == set(split.obs["cluster"])
    with pytest.raises(ValueError, match=r"Did not find \.obs\['region'\]"):
        scmm.get.mixture_df(split, "region")


def test_shares_are_needed(split):
    with pytest.raises(ValueError, match=r"Run `scmm.tl.deconvolve` first"):
        scmm.get.mixture_df(split, key="other")
    del split.obsm["scmm_mixture"]
    with pytest.raises(ValueError, match=r"Run `scmm.tl.deconvolve` again"):
        scmm.get.mixture_df(split)


def test_real_cells_in_known_shares():
    """Spots of 1 to 9 T cells and 9 to 1 macrophages, told by two genes each, are put in order."""
    cells = immune_mini()
    seen = {
        gene: cells[:, gene].X.toarray().ravel() > 0 for gene in ("CD3D", "CD3E", "C1QA", "CD68")
    }
    t_cell, macrophage = seen["CD3D"] & seen["CD3E"], seen["C1QA"] & seen["CD68"]
    of = [np.flatnonzero(t_cell & ~macrophage), np.flatnonzero(macrophage & ~t_cell)]
    rng = np.random.default_rng(0)
    n_first = np.tile(np.arange(1, 10), 4)
    rows = [np.r_[rng.choice(of[0], n), rng.choice(of[1], 10 - n)] for n in n_first]
    counts = np.concatenate([np.asarray(cells.X[some].sum(axis=0)) for some in rows])
    spots = AnnData(csr_matrix(counts), var=cells.var)
    scmm.tl.deconvolve(spots, ["T cell", "macrophage"])
    found = spots.obsm["scmm_mixture"]["T cell"].to_numpy()
    assert np.corrcoef(found, n_first)[0, 1] > 0.8
