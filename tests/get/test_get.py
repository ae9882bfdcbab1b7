from __future__ import annotations

import numpy as np
import pytest

import scmmgpt_tl as scmm


@pytest.fixture
def annotated(counts_adata, tiny_model):
    scmm.tl.annotate(counts_adata, ["T cell", "CD4+/CD8+ T cell", "B"], model=tiny_model)
    return counts_adata


@pytest.fixture(autouse=True)
def _quiet():
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The Cell Ontology has no")
        yield


def test_annotation_is_a_copy(annotated):
    table = scmm.get.annotation_df(annotated)
    assert list(table.index) == list(annotated.obs_names)
    table.loc[:, "score"] = -1
    assert (annotated.obs["scmm_cell_type_score"] >= 0).all()


def test_scores(annotated):
    classes = scmm.get.scores(annotated)
    assert list(classes.var_names) == ["T cell", "CD4+/CD8+ T cell", "B"]
    assert classes.var["cl_id"].tolist() == ["CL:0000084", "", "CL:0000236"]
    assert classes.X.dtype == np.float32
    np.testing.assert_array_equal(classes.X, annotated.obsm["scmm_cell_type_scores"])
    assert list(classes.obsm) == ["X_umap"]
    assert classes.obs.equals(annotated.obs)
    classes.X[:] = 0
    assert annotated.obsm["scmm_cell_type_scores"].to_numpy().sum() > 0


def test_rank_terms_of_one_group(counts_adata, tiny_model):
    scmm.tl.rank_terms(counts_adata, ["T cell", "B cell"], "cluster", model=tiny_model)
    assert len(scmm.get.rank_terms_df(counts_adata)) == 6
    table = scmm.get.rank_terms_df(counts_adata, group="mono")
    assert table["group"].tolist() == ["mono", "mono"]
    assert list(table.index) == [0, 1]
    with pytest.raises(ValueError, match="no group 'x'. Choose from 'B', 'T', 'mono'"):
        scmm.get.rank_terms_df(counts_adata, group="x")


def test_proteins(cite_adata):
    scmm.tl.proteins(cite_adata)
    cells = scmm.get.protein_df(cite_adata)
    assert list(cells) == ["label", "verdict", "score", "against", "rival"]
    assert list(cells.index) == list(cite_adata.obs_names)
    assert (cells["verdict"] == "disagrees").sum() == 10
    labels = scmm.get.protein_df(cite_adata, table="labels")
    assert labels["disagrees"].sum() == 10
    labels.loc[:, "n_cells"] = 0
    assert cite_adata.uns["scmm_cell_type_protein"]["labels"]["n_cells"].sum() == 60
    with pytest.raises(ValueError, match="`table` must be 'cells' or one of 'labels'"):
        scmm.get.protein_df(cite_adata, table="x")
    del cite_adata.obs["scmm_cell_type_protein_rival"]
    with pytest.raises(ValueError, match="Run `scmm.tl.proteins` first"):
        scmm.get.protein_df(cite_adata)


@pytest.mark.parametrize(
    ("function", "tool"),
    [
        (scmm.get.protein_df, "proteins"),
        (scmm.get.annotation_df, "annotate"),
        (scmm.get.scores, "annotate"),
        (scmm.get.description_df, "describe"),
        (scmm.get.rank_terms_df, "rank_terms"),
    ],
    ids=["protein_df", "annotation_df", "scores", "description_df", "rank_terms_df"],
)
def test_what_to_run_first(counts_adata, function, tool):
    with pytest.raises(ValueError, match=rf"uns\['x'\]\['\w+'\]. Run `scmm.tl.{tool}` first"):
        function(counts_adata, key="x")


def test_no_groups(annotated):
    with pytest.raises(ValueError, match="Run `scmm.tl.annotate` with `groupby` first"):
        scmm.get.annotation_df(annotated, groups=True)


def test_key_of_another_tool(annotated):
    with pytest.raises(ValueError, match="Run `scmm.tl.describe` first"):
        scmm.get.description_df(annotated, key="scmm_cell_type")


def test_column_was_deleted(annotated):
    del annotated.obs["scmm_cell_type_margin"]
    with pytest.raises(ValueError, match=r"obs\['scmm_cell_type_margin'\]. Run `scmm.tl.annotate`"):
        scmm.get.annotation_df(annotated)
    del annotated.obsm["scmm_cell_type_scores"]
    with pytest.raises(ValueError, match=r"obsm\['scmm_cell_type_scores'\]"):
        scmm.get.scores(annotated)


def test_explanations(annotated, tiny_model):
    scmm.tl.explain(annotated, model=tiny_model, max_cells=2, label="B")
    genes = scmm.get.explanation_df(annotated)
    genes.loc[:, "gene"] = ""
    assert (scmm.get.explanation_df(annotated)["gene"] != "").all()
    overview = scmm.get.explanation_df(annotated, overview=True)
    assert overview["cell"].tolist() == list(dict.fromkeys(genes["cell"]))
    scmm.tl.search(annotated, "odd cell", model=tiny_model)
    scmm.tl.explain_search(annotated, model=tiny_model, key_added="words")
    assert scmm.get.explanation_df(annotated, key="words")["word"].tolist() == ["odd", "cell"]
    with pytest.raises(ValueError, match="'words' explains a search, which has no overview"):
        scmm.get.explanation_df(annotated, key="words", overview=True)
    with pytest.raises(ValueError, match="Run `scmm.tl.explain` first"):
        scmm.get.explanation_df(annotated, key="scmm_cell_type")
