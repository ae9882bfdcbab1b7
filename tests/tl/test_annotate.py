from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scipy.special import expit, logit

import scmmgpt_tl as scmm


def run(adata, model, *args, **more):
    scmm.tl.annotate(adata, *args, model=model, **more)
    return scmm.get.annotation_df(adata, key=more.get("key_added", "scmm_cell_type"))


def test_against_a_computation_by_hand(counts_adata, tiny_model):
    import torch

    table = run(counts_adata, tiny_model)
    index = scmm.pp.match_genes(counts_adata, genes=tiny_model.genes).index
    rows = np.zeros((60, len(tiny_model.genes)), dtype=np.float32)
    rows[:, index[index >= 0]] = counts_adata.X.toarray()[:, index >= 0]

    with torch.inference_mode():
        projected = tiny_model.encode_cells(csr_matrix(rows)).projected.numpy()
    cosine = np.einsum("cqp,tp->cqt", projected, tiny_model.label_embeddings).max(axis=1)
    weight = np.exp(cosine / 0.05 - (cosine / 0.05).max(axis=1, keepdims=True))
    # An untrained head takes nine droplets in ten for cells.
    p = 0.9 * weight / weight.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(counts_adata.obsm["scmm_cell_type_scores"], p, atol=1e-5)
    expected = expit(0.8 * logit(p.max(axis=1)) - 0.2)
    np.testing.assert_allclose(table["score"], expected, atol=1e-5)
    best = np.sort(p, axis=1)
    np.testing.assert_allclose(table["margin"], best[:, -1] - best[:, -2], atol=1e-5)
    assert table["label"].tolist() == [tiny_model.labels.names[i] for i in p.argmax(axis=1)]


def test_types_of_the_columns(poor_adata, tiny_model):
    table = run(poor_adata, tiny_model)
    assert table.dtypes.astype(str).to_dict() == {
        "label": "category",
        "cl_id": "category",
        "score": "float32",
        "margin": "float32",
        "reason": "category",
        "coverage": "float32",
    }
    assert table["label"].cat.categories[-1] == "unknown"
    assert table.loc["cell3", "reason"] == "no counts"
    assert table.loc["cell5", "reason"] == "few genes"
    assert poor_adata.uns["scmm_cell_type"]["reasons"] == {
        "few genes": 1,
        "no counts": 1,
        "ok": 58,
    }


def test_high_threshold_leaves_all_unknown(counts_adata, tiny_model):
    table = run(counts_adata, tiny_model, threshold=1.0)
    assert set(table["label"]) == {"unknown"}
    assert set(table["reason"]) == {"low score"}
    assert set(table["cl_id"]) == {""}


def test_threshold_0_labels_all(counts_adata, tiny_model):
    assert set(run(counts_adata, tiny_model, threshold=0)["reason"]) == {"ok"}


def test_labels_of_the_user(counts_adata, tiny_model):
    labels = {"T cells": "They carry a T cell receptor.", "CD4+/CD8+": "Both at once."}
    run(counts_adata, tiny_model, labels)
    record = counts_adata.uns["scmm_cell_type"]
    assert record["labels"]["column"].tolist() == ["T cells", "CD4+|CD8+"]
    assert record["labels"]["cl_id"].tolist() == ["CL:0000084", ""]
    assert list(counts_adata.obsm["scmm_cell_type_scores"]) == ["T cells", "CD4+|CD8+"]
    assert json.loads(record["params"]["labels"]) == labels


def test_labels_do_not_depend_on_their_order(counts_adata, tiny_model):
    names = ["T cell", "B cell", "hepatocyte"]
    first = run(counts_adata, tiny_model, names)
    second = run(counts_adata, tiny_model, names[::-1], key_added="second")
    np.testing.assert_allclose(first["score"], second["score"], atol=1e-6)


def test_tissue(counts_adata, tiny_model):
    run(counts_adata, tiny_model, tissue="liver")
    names = set(counts_adata.obsm["scmm_cell_type_scores"])
    assert "hepatocyte" in names
    assert "platelet" not in names


def test_groups(poor_adata, tiny_model):
    table = run(poor_adata, tiny_model, groupby="cluster")
    groups = scmm.get.annotation_df(poor_adata, groups=True)
    assert groups["group"].tolist() == ["B", "T", "mono"]
    assert groups["n_cells"].tolist() == [20, 20, 20]
    p = poor_adata.obsm["scmm_cell_type_scores"].drop(index=["cell3", "cell5"])
    means = p.groupby(poor_adata.obs["cluster"], observed=True).mean()
    np.testing.assert_allclose(groups["support"], means.max(axis=1), rtol=1e-5)
    assert groups["label"].tolist() == means.idxmax(axis=1).tolist()
    for group, rows in table.groupby(poor_adata.obs["cluster"], observed=True):
        expected = groups.set_index("group").loc[group, "label"]
        assert set(rows["label"].astype(str)) - {"unknown"} == {expected}
    assert table.loc["cell3", "label"] == "unknown"
    assert table.loc["cell5", "reason"] == "ok"


def test_groups_with_names_that_hold_anything(counts_adata, tiny_model):
    counts_adata.obs["odd"] = pd.Categorical(np.tile(["G1/S", "", "T (2)"], 20))
    run(counts_adata, tiny_model, groupby="odd")
    groups = scmm.get.annotation_df(counts_adata, groups=True)
    assert groups["group"].tolist() == ["", "G1/S", "T (2)"]


def test_level(counts_adata, tiny_model):
    level = ["lymphocyte", "myeloid cell", "hepatocyte"]
    table = run(counts_adata, tiny_model, level=level, threshold=0)
    assert set(table["label"]) <= {"lymphocyte", "myeloid cell", "hepatocyte"}
    assert list(counts_adata.uns["scmm_cell_type"]["params"]["level"]) == level


def test_no_cells(counts_adata, tiny_model):
    empty = counts_adata[:0].copy()
    assert len(run(empty, tiny_model)) == 0
    assert empty.obsm["scmm_cell_type_scores"].shape == (0, len(tiny_model.labels))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        pytest.param({"labels": ["T cell"]}, "use `scmm.tl.search`", id="one-label"),
        pytest.param({"threshold": 2}, "between 0 and 1, not 2", id="threshold"),
        pytest.param({"groupby": "leiden"}, r"Did not find .obs\['leiden'\]", id="groupby"),
        pytest.param({"tissue": "moon"}, "knows no tissue 'moon'", id="tissue"),
        pytest.param({"level": "fine"}, "'deepest' or a list", id="level"),
        pytest.param({"layer": "counts"}, "counts", id="layer"),
        pytest.param(
            {"labels": ["T cell", "B cell"], "tissue": "liver"}, "Leave it out", id="both"
        ),
    ],
)
def test_arguments_that_cannot_be_meant(counts_adata, tiny_model, arguments, match):
    before = counts_adata.copy()
    with pytest.raises((ValueError, KeyError), match=match):
        scmm.tl.annotate(counts_adata, model=tiny_model, **arguments)
    assert list(counts_adata.obs) == list(before.obs)
    assert not counts_adata.uns


def test_gene_activity_is_read_with_a_warning(counts_adata, tiny_model):
    mudata = pytest.importorskip("mudata")
    cells = mudata.MuData({"atac": counts_adata.copy()})
    with pytest.warns(UserWarning, match="'atac' seems to hold gene activity"):
        scmm.tl.annotate(cells, model=tiny_model, mod="atac")
    scmm.tl.annotate(counts_adata, model=tiny_model)
    labels = counts_adata.obs["scmm_cell_type"].astype(str).to_numpy()
    assert (cells["atac"].obs["scmm_cell_type"].astype(str).to_numpy() == labels).all()


def test_of_a_small_panel_a_quarter_is_enough(default_model):
    adata = scmm.datasets.immune_mini()[:60]
    known = adata.var_names.isin(default_model.genes.symbols)
    expressed = np.asarray((adata.X > 0).mean(axis=0)).ravel() * known
    for n_panel, least in ((40, 10), (400, 20)):
        panel = adata[:, np.argsort(-expressed, kind="stable")[:n_panel]].copy()
        # Each cell keeps as many genes as its place says.
        counts = panel.X.toarray()
        for i, row in enumerate(counts):
            row[np.flatnonzero(row)[i:]] = 0
        panel.X = csr_matrix(counts)
        scmm.tl.annotate(panel, ["T cell", "B cell"], model=default_model)
        n_genes = (counts > 0).sum(axis=1)
        refused = panel.obs["scmm_cell_type_reason"].isin(["few genes", "no counts"])
        assert (refused == (n_genes < least)).all()
