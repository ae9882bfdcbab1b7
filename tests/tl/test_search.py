from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm
from scmmgpt_tl import ontology
from scmmgpt_tl.tl._search import read_query


def test_score_is_the_cosine_of_the_best_query(counts_adata, tiny_model):
    scmm.tl.search(counts_adata, "glowing one", model=tiny_model)
    found = counts_adata.obs["scmm_search"]
    assert found.dtype == np.float32
    rows = csr_matrix(counts_adata[:, list(tiny_model.genes.symbols)].X)
    projected = tiny_model.encode_cells(rows).projected.numpy()
    text = tiny_model.embed_text(["glowing one"])[0]
    np.testing.assert_allclose(found, (projected @ text).max(axis=1), atol=1e-5)


def test_cell_without_counts(poor_adata, tiny_model):
    scmm.tl.search(poor_adata, "T cell", model=tiny_model)
    assert poor_adata.obs["scmm_search"]["cell3"] == 0


@pytest.mark.parametrize(
    ("query", "term", "first"),
    [
        ("T-cells", "CL:0000084", "T-cells"),
        ("CL:0000084", "CL:0000084", "T cell: A type of lymphocyte"),
        ("glowing one", "", "glowing one"),
    ],
)
def test_wordings(query, term, first):
    found, wordings = read_query(query, ontology=ontology.load())
    assert found == term
    assert wordings[0].startswith(first)


def test_params(counts_adata, tiny_model):
    scmm.tl.search(counts_adata, "B cells", model=tiny_model, key_added="b")
    params = counts_adata.uns["b"]["params"]
    assert (params["query"], params["cl_id"]) == ("B cells", "CL:0000236")


@pytest.mark.parametrize(
    ("query", "error", "match"),
    [
        (" ", ValueError, "`query` is empty"),
        (["T cell"], TypeError, "must be a string, not list"),
    ],
)
def test_bad_query(counts_adata, query, error, match):
    with pytest.raises(error, match=match):
        scmm.tl.search(counts_adata, query)
