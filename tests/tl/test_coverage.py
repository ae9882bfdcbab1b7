"""How much of each cell could be read travels with every result of cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix, hstack

import scmmgpt_tl as scmm

from .conftest import label_transfer

BY_CELL = {
    "annotate": lambda adata, **more: scmm.tl.annotate(adata, key_added="new", **more),
    "deconvolve": lambda adata, **more: scmm.tl.deconvolve(
        adata, ["T cell", "B cell"], key_added="new", **more
    ),
    "embed": lambda adata, **more: scmm.tl.embed(adata, key_added="new", **more),
    "integrate": lambda adata, **more: scmm.tl.integrate(adata, "cluster", key_added="new", **more),
    "label_transfer": lambda adata, **more: label_transfer(adata, key_added="new", **more),
    "score_gene_sets": lambda adata, **more: scmm.tl.score_gene_sets(
        adata, {"T": ["CD3D", "CD3E"]}, key_added="new", **more
    ),
    "search": lambda adata, **more: scmm.tl.search(adata, "T cell", key_added="new", **more),
}


@pytest.fixture
def half_foreign(counts_adata) -> AnnData:
    """Cells of which the odd ones are half made of counts of a gene that no model knows."""
    totals = np.asarray(counts_adata[:, :300].X.sum(axis=1)).ravel()
    counts_adata = counts_adata[:, :300].copy()
    foreign = csr_matrix((totals * (np.arange(60) % 2))[:, None].astype(np.float32))
    antibody = csr_matrix(np.full((60, 1), 5000, dtype=np.float32))
    names = [*counts_adata.var_names, "FOREIGN", "CD3_TotalSeqB"]
    types = ["Gene Expression"] * 301 + ["Antibody Capture"]
    return AnnData(
        hstack([counts_adata.X, foreign, antibody], format="csr"),
        obs=counts_adata.obs,
        var=pd.DataFrame({"feature_types": types}, index=names),
    )


@pytest.mark.parametrize("tool", BY_CELL.values(), ids=BY_CELL)
def test_coverage_is_told_cell_by_cell(half_foreign, tiny_model, tool):
    tool(half_foreign, model=tiny_model)
    expected = np.where(np.arange(60) % 2, 0.5, 1.0)
    np.testing.assert_allclose(half_foreign.obs["new_coverage"], expected, atol=1e-6)
    assert half_foreign.obs["new_coverage"].dtype == np.float32


def test_genes_that_were_not_measured_count_by_the_average_cell(counts_adata, tiny_model):
    half = counts_adata[:, :150].copy()
    scmm.tl.embed(half, model=tiny_model)
    # All genes weigh the same in a network that nobody trained.
    np.testing.assert_allclose(half.obs["X_scmm_coverage"], 0.5, atol=1e-6)


def test_a_cell_without_counts_is_not_covered(poor_adata, tiny_model):
    scmm.tl.embed(poor_adata, model=tiny_model)
    assert poor_adata.obs["X_scmm_coverage"]["cell3"] == 0


def test_what_starts_from_an_annotation_passes_it_on(cite_adata, tiny_model):
    before = cite_adata.obs["scmm_cell_type_coverage"].to_numpy()
    scmm.tl.refine(cite_adata, model=tiny_model)
    scmm.tl.proteins(cite_adata, joint=True, model=tiny_model)
    for key in ("scmm_refined", "scmm_cell_type_protein_joint"):
        found = scmm.get.annotation_df(cite_adata, key=key)["coverage"]
        np.testing.assert_array_equal(found, before)
        assert found.between(0.5, 1).all()


def test_groups_have_the_mean_of_their_cells(half_foreign, tiny_model):
    half_foreign.obs["side"] = np.where(np.arange(60) % 2, "odd", "even")
    scmm.tl.describe(half_foreign, "side", model=tiny_model)
    found = scmm.get.description_df(half_foreign).set_index("group")["coverage"]
    np.testing.assert_allclose(found[["even", "odd"]], [1.0, 0.5], atol=1e-6)
    scmm.tl.compare(half_foreign, "odd", "even", groupby="side", model=tiny_model)
    cells = half_foreign.uns["scmm_comparison"]["cells"].set_index("group")["coverage"]
    np.testing.assert_allclose(cells[["even", "odd"]], [1.0, 0.5], atol=1e-6)
