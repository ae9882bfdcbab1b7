"""Scoring cells for sets of genes."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData, read_h5ad
from scipy.sparse import csc_matrix

import scmmgpt_tl as scmm

from .conftest import assert_same

SETS = {"T": ["CD3D", "CD3E", "CD3G"], "B": {"MS4A1": 1.0, "CD79A": 2.0, "CD3E": -1.0}}
KEY = "scmm_gene_sets"


@pytest.fixture
def score(tiny_model):
    return lambda adata, sets=SETS, **more: scmm.tl.score_gene_sets(
        adata, sets, model=tiny_model, **more
    )


def test_sets_find_their_cells(counts_adata, score):
    assert score(counts_adata) is None
    scores = counts_adata.obsm[KEY]
    assert scores.groupby(counts_adata.obs["cluster"].to_numpy()).mean().idxmax().to_dict() == {
        "T": "T",
        "B": "B",
    }
    assert scores.dtypes.eq(np.float32).all()
    params = counts_adata.uns[KEY]["params"]
    assert (params["n_genes"], params["model"]) == (50, "tiny")


def test_table_of_genes(counts_adata, score):
    score(counts_adata[:, counts_adata.var_names != "CD3G"].copy(), copy=True)
    found = score(counts_adata[:, counts_adata.var_names != "CD3G"].copy(), copy=True)
    table = scmm.get.gene_sets_df(found)
    assert table["gene"].tolist() == ["CD3D", "CD3E", "CD3G", "MS4A1", "CD79A", "CD3E"]
    assert table["measured"].tolist() == [True, True, False, True, True, True]
    assert table["weight"].tolist() == [1, 1, 1, 1, 2, -1]
    var = scmm.get.gene_set_scores(found).var
    assert var["n_measured"].tolist() == [2, 3]


def test_words_become_genes(counts_adata, default_model):
    listed = scmm.tl.score_gene_sets(counts_adata, ["B cell"], model=default_model, copy=True)
    expected = scmm.get.genes_of("B cell", 50, model=default_model)
    table = scmm.get.gene_sets_df(listed)
    assert table["source"].eq("text").all()
    assert table["gene"].tolist() == expected["gene"].tolist()
    np.testing.assert_allclose(table["weight"], expected["score"] / expected["score"].iloc[0])
    alone = scmm.tl.score_gene_sets(counts_adata, "B cell", model=default_model, copy=True)
    assert_same(listed, alone)
    mean = listed.obsm[KEY]["B cell"].groupby(listed.obs["cluster"].to_numpy()).mean()
    assert mean.idxmax() == "B"


def test_order_company_and_storage_do_not_matter(poor_adata, score, tmp_path):
    other = poor_adata[np.random.default_rng(0).permutation(60)][:30].copy()
    other.X = csc_matrix(other.X.astype(np.float64))
    score(poor_adata)
    score(other)
    np.testing.assert_array_equal(poor_adata[other.obs_names].obsm[KEY], other.obsm[KEY])
    assert not poor_adata.obsm[KEY].loc["cell3"].any()
    plain = AnnData(poor_adata.X, obs=poor_adata.obs, var=poor_adata.var)
    plain.write_h5ad(tmp_path / "cells.h5ad")
    backed = read_h5ad(tmp_path / "cells.h5ad", backed="r")
    score(backed)
    np.testing.assert_array_equal(backed.obsm[KEY], poor_adata.obsm[KEY])
    backed.file.close()


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
@pytest.mark.parametrize("file_format", ["h5ad", "zarr"])
def test_results_survive_a_file(counts_adata, score, tmp_path, file_format):
    import anndata

    score(counts_adata, SETS | {"CD4+/CD8+": ["CD3E"]})
    assert counts_adata.obsm[KEY].columns.tolist() == ["T", "B", "CD4+|CD8+"]
    path = tmp_path / f"cells.{file_format}"
    getattr(counts_adata, f"write_{file_format}")(path)
    assert_same(counts_adata, getattr(anndata, f"read_{file_format}")(path))


def test_copy_and_modality(counts_adata, score):
    mudata = pytest.importorskip("mudata")
    found = score(counts_adata, copy=True)
    assert KEY not in counts_adata.obsm
    cells = mudata.MuData({"rna": counts_adata})
    score(cells)
    np.testing.assert_array_equal(cells["rna"].obsm[KEY], found.obsm[KEY])


def test_unknown_genes_are_left_out_with_a_warning(counts_adata, score):
    with pytest.warns(UserWarning, match="1 of 3 genes of 'T' are left out"):
        score(counts_adata, {"T": ["CD3D", "CD3E", "NOGENE"]})


@pytest.mark.parametrize(
    ("sets", "error", "match"),
    [
        ({}, ValueError, "`gene_sets` is empty"),
        ({" ": ["CD3E"]}, ValueError, "a set without a name"),
        (3, TypeError, "must be a dict or texts, not int"),
        ([["CD3E", "CD3D"]], TypeError, "must be texts or a dict of names and sets"),
        ({"T": 3}, TypeError, "'T' must be genes, genes with weights, or a text"),
        ({"T": [3]}, TypeError, "'T' must hold names of genes, found 3"),
        ({"T": []}, ValueError, "'T' is empty"),
        ({"T": {"CD3E": 0}}, ValueError, "weights are zero"),
        ({"T": {"CD3E": np.nan}}, ValueError, "no numbers"),
        ({"T": ["NOGENE"]}, ValueError, "knows none of the genes of 'T'"),
        ({"T": "antigen presentation"}, ValueError, "read by the model that ships"),
        # The decoder of the tiny model is untrained: it says the same of all genes.
        ({"T": "T cell"}, ValueError, "finds no genes of 'T cell'"),
    ],
)
def test_bad_sets_leave_the_object_as_it_was(counts_adata, score, sets, error, match):
    with pytest.raises(error, match=match):
        score(counts_adata, sets)
    assert not counts_adata.uns
    assert list(counts_adata.obsm) == ["X_umap"]


def test_set_that_was_not_measured(counts_adata, score):
    few = counts_adata[:, ~counts_adata.var_names.isin(["CD3D", "CD3E", "CD3G"])].copy()
    with pytest.raises(ValueError, match=r"None of the genes of 'T' \(CD3D.*measured in `adata`"):
        score(few)


def test_bad_number_and_key(counts_adata, score):
    with pytest.raises(ValueError, match="`n_genes` must be at least 1, not 0"):
        score(counts_adata, n_genes=0)
    with pytest.raises(ValueError, match="`key_added` must be"):
        score(counts_adata, key_added="a/b")
    with pytest.raises(ValueError, match=r"Run `scmm.tl.score_gene_sets` first"):
        scmm.get.gene_set_scores(counts_adata)
    score(counts_adata)
    del counts_adata.obsm[KEY]
    with pytest.raises(ValueError, match=r"Did not find adata.obsm\['scmm_gene_sets'\]"):
        scmm.get.gene_sets_df(counts_adata)
