from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad
from scipy.sparse import csc_matrix, csr_matrix

import scmmgpt_tl as scmm
from scmmgpt_tl.tl._explanation.attribute import without
from scmmgpt_tl.tl._explanation.subjects import sample

LABELS = ["T cell", "B cell", "monocyte"]


@pytest.fixture
def annotated(poor_adata, tiny_model):
    scmm.tl.annotate(poor_adata, LABELS, model=tiny_model, threshold=0.0)
    return poor_adata


@pytest.fixture
def explain(tiny_model):
    def run(adata, groupby=None, **more):
        scmm.tl.explain(adata, groupby, model=tiny_model, **{"max_cells": 4, **more})
        tables = (scmm.get.explanation_df(adata, overview=whole) for whole in (False, True))
        return tuple(tables)

    return run


def test_what_is_explained_are_the_log_odds_of_the_annotation(annotated, explain):
    genes, overview = explain(annotated, n_genes=400)
    assert len(overview) == 4
    p = annotated.obsm["scmm_cell_type_scores"].loc[list(overview["cell"])].to_numpy()
    first, second = np.sort(p, axis=1)[:, ::-1][:, :2].T
    np.testing.assert_allclose(overview["log_odds"], np.log(first / second), atol=1e-4)
    assert (
        overview["label"] == annotated.obs["scmm_cell_type"][list(overview["cell"])].to_numpy()
    ).all()
    names = np.array(LABELS)[np.argsort(-p, axis=1)[:, 1]]
    assert (overview["against"] == names).all()
    # All that the genes add is what the log-odds rise by.
    risen = overview["log_odds"] - overview["start"]
    np.testing.assert_allclose(overview["total"], risen, atol=2e-3)
    sums = genes.groupby("cell")["attribution"].sum()[list(overview["cell"])]
    np.testing.assert_allclose(sums, overview["total"], atol=1e-4)


def test_genes_are_ranked_for_the_label_and_against_it(annotated, explain):
    genes, _ = explain(annotated, n_genes=3)
    for _, own in genes.groupby("cell"):
        assert own["rank"].tolist() == [1, 2, 3, 1, 2, 3]
        assert (own["attribution"].to_numpy()[:3] > 0).all()
        assert own["attribution"].iloc[:3].is_monotonic_decreasing
        assert own["attribution"].iloc[3:].is_monotonic_increasing
        assert (own["attribution"].to_numpy()[3:] < 0).all()


def test_a_gene_is_shown_with_its_expression(annotated, explain):
    genes, _ = explain(annotated)
    shown = genes.iloc[0]
    counts = annotated[shown["cell"]]
    known = counts[:, counts.var_names[:300]].X.sum()
    value = counts[:, shown["gene"]].X.sum()
    assert shown["expression"] == pytest.approx(np.log1p(1e4 * value / known), rel=1e-4)


@pytest.mark.parametrize("method", ["integrated_gradients", "leave_one_out"])
def test_batches_and_order_do_not_matter(annotated, explain, method):
    turned = annotated[::-1].copy()
    more = {"method": method, "n_genes": 400}
    one, whole = (explain(annotated, batch_size=size, **more)[0] for size in (1, 100))
    other = explain(turned, **more)[0]
    by = ["cell", "gene"]
    for found in (whole, other):
        both = one.merge(found, on=by, suffixes=("", "_other"))
        assert len(both) == len(one) == len(found)
        np.testing.assert_allclose(both["attribution"], both["attribution_other"], atol=1e-4)


def test_a_group_is_the_mean_of_its_cells(annotated, explain):
    genes, overview = explain(annotated, "cluster", max_cells=None, n_genes=400)
    assert overview["group"].tolist() == ["B", "T", "mono"]
    # The cell without counts is no part of its group, nor the one with three genes.
    assert overview["n_cells"].sum() == 58
    row = overview.iloc[0]
    own = annotated[annotated.obs["cluster"] == row["group"]].copy()
    alone, ends = explain(
        own, label=row["label"], against=row["against"], max_cells=None, n_genes=400
    )
    assert ends["log_odds"].mean() == pytest.approx(row["log_odds"], abs=1e-4)
    mean = alone.groupby("gene")["attribution"].sum() / len(ends)
    mine = genes[genes["group"] == row["group"]].set_index("gene")["attribution"]
    np.testing.assert_allclose(mine, mean[mine.index], atol=1e-4)


def test_groups_have_the_label_that_they_were_given(annotated, explain, tiny_model):
    scmm.tl.annotate(
        annotated, LABELS, "cluster", model=tiny_model, threshold=0.0, key_added="grouped"
    )
    given = scmm.get.annotation_df(annotated, key="grouped", groups=True).set_index("group")
    for key in ("grouped", "scmm_cell_type"):
        _, overview = explain(annotated, "cluster", key=key)
        assert overview["label"].tolist() == given.loc[overview["group"], "label"].tolist()
        assert overview["against"].tolist() == given.loc[overview["group"], "runner_up"].tolist()


def test_cells_are_drawn_by_name():
    names = pd.Index([f"cell{i}" for i in range(100)])
    drawn = set(names[sample(np.arange(100), names, 10)])
    order = np.random.default_rng(0).permutation(100)
    assert set(names[order][sample(np.arange(100), names[order], 10)]) == drawn
    # Fewer are some of them, and others beside them change nothing.
    assert set(names[sample(np.arange(100), names, 4)]) < drawn
    half = names.drop(sorted(set(names) - drawn)[:50])
    assert set(half[sample(np.arange(50), half, 10)]) == drawn
    assert len(sample(np.arange(100), names, None)) == 100


def test_label_and_rival_may_be_named(annotated, explain):
    _, overview = explain(annotated, label="B cell", against="CL:0000542", max_cells=None)
    assert len(overview) == 58
    p = annotated.obsm["scmm_cell_type_scores"].loc[list(overview["cell"])]
    # Of all lymphocytes, T cells alone are left beside B cells.
    expected = np.log(p["B cell"] / p["T cell"])
    np.testing.assert_allclose(overview["log_odds"], expected, atol=1e-3)


def test_cells_of_the_rival_itself_are_left_out(annotated, explain):
    _, overview = explain(annotated, against="T cell", max_cells=None)
    given = annotated.obs["scmm_cell_type"].astype(str)
    assert len(overview) == (~given.isin(["T cell", "unknown"])).sum()


@pytest.mark.parametrize("level", ["deepest", ["lymphocyte", "myeloid cell"]])
def test_answers_that_are_terms_are_explained_by_all_below(annotated, explain, tiny_model, level):
    scmm.tl.annotate(annotated, model=tiny_model, level=level, threshold=0.1)
    _, overview = explain(annotated)
    p = annotated.obsm["scmm_cell_type_scores"].loc[list(overview["cell"])]
    ids = annotated.uns["scmm_cell_type"]["labels"]["cl_id"]
    cl = scmm.ontology.load()

    def chance(name):
        term = cl.resolve(name)
        return p.loc[:, [term in ({key} | cl.ancestors(key)) for key in ids]].sum(axis=1)

    for cell, row in overview.set_index("cell").iterrows():
        # The runner-up of the deepest term is a label.
        other = p[row["against"]] if level == "deepest" else chance(row["against"])
        expected = np.log(chance(row["label"])[cell] / other[cell])
        assert row["log_odds"] == pytest.approx(expected, abs=1e-3)


def test_leaving_out_is_removing_and_annotating_again(annotated, explain, tiny_model):
    genes, overview = explain(annotated, method="leave_one_out", n_genes=400)
    assert "start" not in overview
    cell, gene, change = genes.loc[genes["attribution"].idxmax(), ["cell", "gene", "attribution"]]
    row = overview.set_index("cell").loc[cell]
    poorer = annotated[cell].copy()
    poorer.X = poorer.X.multiply(poorer.var_names != gene).tocsr()
    scmm.tl.annotate(poorer, LABELS, model=tiny_model)
    p = poorer.obsm["scmm_cell_type_scores"].iloc[0]
    left = np.log(p[row["label"]] / p[row["against"]])
    assert change == pytest.approx(row["log_odds"] - left, abs=1e-4)


def test_a_gene_is_left_out_of_each_copy():
    row = csr_matrix([[3.0, 0, 2, 1]])
    np.testing.assert_array_equal(
        without(row, np.array([0, 3])).toarray(), [[0, 0, 2, 1], [3, 0, 2, 0]]
    )


@pytest.mark.parametrize("labels", [None, LABELS, {"a": "a cell with CD3D", "b": "with CD79A"}])
def test_after_a_file(counts_adata, explain, tiny_model, tmp_path, labels):
    scmm.tl.annotate(counts_adata, labels, model=tiny_model, threshold=0.0, level=None)
    counts_adata.write_h5ad(tmp_path / "a.h5ad")
    backed = read_h5ad(tmp_path / "a.h5ad", backed="r")
    first, second = explain(counts_adata), explain(backed)
    for one, other in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(one, other, check_dtype=False, atol=1e-5)
    backed.file.close()
    counts_adata.write_h5ad(tmp_path / "b.h5ad")
    read = read_h5ad(tmp_path / "b.h5ad")
    pd.testing.assert_frame_equal(
        scmm.get.explanation_df(read), first[0], check_dtype=False, check_categorical=False
    )


def test_storage_copy_and_record(annotated, explain, tiny_model):
    other = annotated.copy()
    other.X = csc_matrix(other.X)
    pd.testing.assert_frame_equal(explain(annotated)[0], explain(other)[0])
    params = annotated.uns["scmm_explanation"]["params"]
    assert params["method"] == "integrated_gradients"
    assert {"model", "sha256", "slot", "max_cells", "key"} <= set(params)
    found = scmm.tl.explain(annotated, model=tiny_model, max_cells=1, key_added="b", copy=True)
    assert "b" in found.uns
    assert "b" not in annotated.uns


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"key": "other"}, r"Did not find adata.uns\['other'\]\['labels'\]"),
        ({"label": "mushroom"}, "'mushroom' is no label of the annotation, and no term"),
        ({"against": "hepatocyte"}, "'hepatocyte' is no label of the annotation, and no term"),
        (
            {"label": "T cell", "against": "T cell"},
            "No cell can be read, or 'T cell' is all there is of 'T cell'",
        ),
        ({"groupby": "none"}, r"Did not find .obs\['none'\]"),
        ({"method": "magic"}, "`method` must be None or one of"),
        ({"max_cells": 0}, "`max_cells` must be a whole number, 1 or more, found 0"),
        ({"n_genes": 0}, "`n_genes` must be a whole number, 1 or more, found 0"),
        ({"batch_size": 0}, "`batch_size` must be a whole number, 1 or more, found 0"),
        ({"key_added": "a/b"}, "without '/'"),
    ],
)
def test_what_cannot_be_meant_is_refused(annotated, explain, more, message):
    before = set(annotated.uns)
    with pytest.raises(ValueError, match=message):
        explain(annotated, **more)
    assert set(annotated.uns) == before


def test_nothing_to_explain(annotated, explain, tiny_model):
    scmm.tl.annotate(annotated, LABELS, model=tiny_model, threshold=1.0)
    for groupby in (None, "cluster"):
        with pytest.raises(ValueError, match="No cell has a label with a rival: there is nothing"):
            explain(annotated, groupby)


def test_a_label_that_all_cells_have_or_all_labels_are(annotated, explain):
    annotated.obs["scmm_cell_type"] = "T cell"
    with pytest.raises(ValueError, match="No cell has a label other than 'T cell'"):
        explain(annotated, against="T cell")
    with pytest.raises(ValueError, match="No cell can be read, or 'leukocyte' has no rival"):
        explain(annotated, label="leukocyte")


def test_another_model_and_a_refined_annotation_are_refused(annotated, explain, tiny_model):
    with pytest.raises(ValueError, match=r"was made with the model tiny, revision r1, not with"):
        scmm.tl.explain(annotated)
    scmm.tl.refine(annotated, model=tiny_model)
    with pytest.raises(
        ValueError, match=r"'scmm_refined' was refined.* with `key='scmm_cell_type'`"
    ):
        explain(annotated, key="scmm_refined")


def test_an_encoder_without_text_is_refused(annotated, scgpt_folder):
    with pytest.raises(ValueError, match="has no text side"):
        scmm.tl.explain(annotated, model=scgpt_folder)


def test_an_encoder_that_does_not_add_up_genes(annotated, explain, tiny_model, monkeypatch):
    from scmmgpt_tl.model.encoders.geneset import GeneSetEncoder

    expected = explain(annotated, method="leave_one_out")[0]
    monkeypatch.delattr(GeneSetEncoder, "forward_dense")
    pd.testing.assert_frame_equal(explain(annotated)[0], expected)
    with pytest.raises(
        ValueError, match="reads genes as a list, along which there are no gradients"
    ):
        explain(annotated, method="integrated_gradients")


def test_labels_of_a_tissue(counts_adata, explain, tiny_model):
    scmm.tl.annotate(counts_adata, tissue="blood", model=tiny_model, threshold=0.0)
    _, overview = explain(counts_adata)
    names = set(counts_adata.uns["scmm_cell_type"]["labels"]["name"])
    assert set(overview["label"]) | set(overview["against"]) <= names


def test_markers_are_told_with_the_shipped_model(default_model):
    adata = scmm.datasets.immune_mini()[:60].copy()
    scmm.tl.annotate(adata, ["T cell", "B cell", "macrophage"], model=default_model, threshold=0.0)
    scmm.tl.explain(adata, model=default_model, max_cells=2)
    genes = scmm.get.explanation_df(adata)
    overview = scmm.get.explanation_df(adata, overview=True)
    assert genes["marker"].any()
    assert not genes["marker"].all()
    risen = overview["log_odds"] - overview["start"]
    np.testing.assert_allclose(overview["total"], risen, atol=0.3)
