from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm
from scmmgpt_tl.tl._refinement.place import principal_components

LABELS = ["T cell", "B cell", "monocyte"]
FIELDS = ["", "_score", "_margin", "_cl", "_reason", "_coverage"]


@pytest.fixture
def annotated(poor_adata, tiny_model):
    scmm.tl.annotate(poor_adata, LABELS, model=tiny_model, threshold=0.0)
    return poor_adata


@pytest.fixture
def refine(tiny_model):
    return lambda adata, **more: scmm.tl.refine(adata, model=tiny_model, **more)


def test_fields_are_those_of_an_annotation(annotated, refine):
    before = annotated.copy()
    assert refine(annotated, threshold=0.0) is None
    assert set(annotated.obs) - set(before.obs) == {f"scmm_refined{end}" for end in FIELDS}
    scores = annotated.obsm["scmm_refined_scores"]
    assert list(scores) == LABELS
    single = before.obsm["scmm_cell_type_scores"].sum(axis=1)
    np.testing.assert_allclose(scores.sum(axis=1), single, atol=1e-5)
    for column in before.obs:
        assert annotated.obs[column].equals(before.obs[column])
    frame = scmm.get.annotation_df(annotated, key="scmm_refined")
    assert frame.loc[frame["reason"] == "ok", "label"].isin(LABELS).all()
    assert annotated.uns["scmm_refined"]["params"]["key"] == "scmm_cell_type"


def test_tables_and_pictures_take_its_key(annotated, refine):
    refine(annotated, threshold=0.0)
    scores = scmm.get.scores(annotated, key="scmm_refined")
    assert list(scores.var_names) == LABELS
    annotated.obsm["X_umap"] = np.random.default_rng(0).normal(size=(annotated.n_obs, 2))
    ax = scmm.pl.embedding(annotated, key="scmm_refined", panel="label", show=False)
    drawn = sum(len(points.get_offsets()) for points in ax.collections)
    assert drawn == annotated.n_obs
    ax = scmm.pl.scores(annotated, "cluster", key="scmm_refined", show=False)
    assert {text.get_text() for text in ax.get_xticklabels()} == set(LABELS)
    with pytest.raises(ValueError, match="'scmm_refined' has no groups"):
        scmm.pl.support(annotated, key="scmm_refined", show=False)


def test_cells_that_cannot_be_read_stay_unknown(annotated, refine):
    refine(annotated, threshold=0.0)
    reasons = annotated.obs["scmm_refined_reason"].to_numpy()
    assert reasons[3] == "no counts"
    assert reasons[5] == "few genes"
    before, after = (annotated.obsm[f"{k}_scores"] for k in ("scmm_cell_type", "scmm_refined"))
    pd.testing.assert_frame_equal(after.iloc[[3, 5]], before.iloc[[3, 5]])


def test_no_score_is_high_enough(annotated, refine):
    refine(annotated, threshold=1.0)
    frame = scmm.get.annotation_df(annotated, key="scmm_refined")
    assert (frame["label"] == "unknown").all()
    assert set(frame["reason"]) >= {"low score"}


def test_known_labels_stand_and_new_ones_join(annotated, refine):
    known = pd.Series(np.nan, index=annotated.obs_names, dtype=object)
    known.iloc[:6], known.iloc[6:8], known.iloc[8] = "T cell", "plasma cell", "Unknown"
    known.iloc[:2] = ["T lymphocyte", "CL:0000084"]
    annotated.obs["mine"] = known
    refine(annotated, labels_key="mine", threshold=0.0)
    frame = scmm.get.annotation_df(annotated, key="scmm_refined")
    # Even a cell without counts is what the user says it is.
    assert (frame["label"].iloc[:6] == "T cell").all()
    assert (frame["label"].iloc[6:8] == "plasma cell").all()
    assert (frame["cl_id"].iloc[6:8] == "CL:0000786").all()
    assert (frame["score"].iloc[:8] == 1).all()
    assert (frame["reason"].iloc[:8] == "ok").all()
    assert list(annotated.obsm["scmm_refined_scores"]) == [*LABELS, "plasma cell"]


def test_a_new_label_is_found_in_cells_like_those_given(annotated, refine):
    place = np.random.default_rng(0).normal(size=(annotated.n_obs, 3))
    place[10:20] += 20
    annotated.obsm["X_mine"] = place
    annotated.obs["mine"] = ""
    annotated.obs.loc[annotated.obs_names[10:15], "mine"] = "plasma cell"
    refine(annotated, labels_key="mine", use_rep="X_mine", threshold=0.0)
    found = annotated.obs["scmm_refined"].to_numpy() == "plasma cell"
    assert found[10:20].all()
    assert found.sum() == 10


def test_it_may_be_told_which_cells_are_alike(annotated, refine):
    annotated.obsm["X_mine"] = np.random.default_rng(0).normal(size=(annotated.n_obs, 3))
    own = refine(annotated, use_rep="X_mine", copy=True)
    assert "scmm_refined" not in annotated.obs
    # Counts are not looked at.
    annotated.X.data[:] = -1
    again = refine(annotated, use_rep="X_mine", copy=True)
    pd.testing.assert_frame_equal(own.obs, again.obs)


def test_after_a_file_and_among_fewer_cells(annotated, refine, tmp_path):
    annotated.write_h5ad(tmp_path / "a.h5ad")
    refine(annotated)
    read = read_h5ad(tmp_path / "a.h5ad")
    refine(read)
    np.testing.assert_allclose(
        read.obsm["scmm_refined_scores"], annotated.obsm["scmm_refined_scores"], atol=1e-5
    )
    few = annotated[:1].copy()
    refine(few)
    assert few.obs["scmm_refined"].notna().all()


def test_the_order_of_cells_does_not_matter(annotated, refine):
    turned = annotated[::-1].copy()
    refine(annotated, threshold=0.0)
    refine(turned, threshold=0.0)
    np.testing.assert_allclose(
        turned.obsm["scmm_refined_scores"][::-1], annotated.obsm["scmm_refined_scores"], atol=1e-3
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"key": "other"}, r"Did not find adata.uns\['other'\]\['labels'\]"),
        ({"labels_key": "mine"}, r"Did not find .obs\['mine'\]. Choose `labels_key` from"),
        ({"use_rep": "X_pca"}, r"Did not find adata.obsm\['X_pca'\] of `use_rep`"),
        ({"n_rounds": 0}, "`n_rounds` must be a whole number, 1 or more, not 0"),
        ({"threshold": 2.0}, "`threshold` must lie between 0 and 1"),
        ({"level": ["T cell"]}, "`level` must be None, 'deepest' or a list"),
        ({"key_added": "a/b"}, "without '/'"),
    ],
)
def test_what_cannot_be_meant_is_refused(annotated, refine, more, message):
    before = annotated.copy()
    with pytest.raises(ValueError, match=message):
        refine(annotated, **more)
    assert list(annotated.obs) == list(before.obs)
    assert set(annotated.uns) == set(before.uns)


def test_a_representation_must_hold_numbers(annotated, refine):
    n, names = annotated.n_obs, annotated.obs_names
    for held in (np.full((n, 2), np.nan), pd.DataFrame({"a": ["x"] * n}, index=names)):
        annotated.obsm["X_mine"] = held
        message = r"adata.obsm\['X_mine'\] must hold numbers.* Choose another `use_rep` from"
        with pytest.raises(ValueError, match=message):
            refine(annotated, use_rep="X_mine")


def test_a_sparse_representation_is_read(annotated, refine):
    dense = np.random.default_rng(0).normal(size=(annotated.n_obs, 3)).round()
    annotated.obsm["X_dense"], annotated.obsm["X_sparse"] = dense, csr_matrix(dense)
    found = [
        refine(annotated, use_rep=key, copy=True).obsm["scmm_refined_scores"]
        for key in ("X_dense", "X_sparse")
    ]
    pd.testing.assert_frame_equal(*found)


def test_only_the_most_variable_genes_count(counts_adata, tiny_model, monkeypatch):
    from scmmgpt_tl._expression import log_expression
    from scmmgpt_tl._input import prepare
    from scmmgpt_tl.tl._refinement import place

    prepared = prepare(counts_adata, genes=tiny_model.genes)
    (block,) = prepared.blocks()
    values = log_expression(block)
    best = np.sort(np.argsort(-values.toarray().var(axis=0))[:20])
    np.testing.assert_array_equal(place.most_variable([values[:7], values[7:]], 20), best)
    monkeypatch.setattr(place, "N_GENES", 20)
    found = principal_components(prepared, np.arange(counts_adata.n_obs))
    assert found.shape[1] == 19


def test_another_model_is_refused(annotated):
    with pytest.raises(ValueError, match=r"was made with the model tiny, revision r1, not with"):
        scmm.tl.refine(annotated)


def test_scores_that_were_removed_are_missed(annotated, refine):
    del annotated.obsm["scmm_cell_type_scores"]
    with pytest.raises(ValueError, match=r"Did not find adata.obsm\['scmm_cell_type_scores'\]"):
        refine(annotated)


def test_components_are_those_of_scanpy(counts_adata, tiny_model):
    import scanpy as sc

    from scmmgpt_tl._input import prepare

    prepared = prepare(counts_adata, genes=tiny_model.genes)
    rows = np.arange(1, counts_adata.n_obs)
    found = principal_components(prepared, rows)
    (block,) = prepared.blocks()
    expected = sc.AnnData(block[rows])
    sc.pp.normalize_total(expected, target_sum=1e4)
    sc.pp.log1p(expected)
    sc.pp.pca(expected, n_comps=found.shape[1])
    np.testing.assert_allclose(
        np.abs(found[:, :3]), np.abs(expected.obsm["X_pca"][:, :3]), rtol=1e-2, atol=1e-2
    )
