"""Genes that speak for a label together."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import read_h5ad
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm
from scmmgpt_tl.tl._explanation.attribute import Attributed
from scmmgpt_tl.tl._explanation.network import connect, shrunk_correlation
from scmmgpt_tl.tl._explanation.networks import by_subject
from scmmgpt_tl.tl._explanation.subjects import sample

from .conftest import assert_same

LABELS = ["T cell", "B cell", "monocyte"]


@pytest.fixture
def annotated(poor_adata, tiny_model):
    scmm.tl.annotate(poor_adata, LABELS, model=tiny_model, threshold=0.0)
    return poor_adata


@pytest.fixture
def tie(tiny_model):
    def run(adata, groupby=None, **more):
        options = {"max_cells": 12, "n_genes": 20, "n_edges": 15, **more}
        return scmm.tl.gene_network(adata, groupby, model=tiny_model, **options)

    return run


def tables(adata, **more):
    names = ("edges", "genes", "overview")
    return tuple(scmm.get.gene_network_df(adata, table=name, **more) for name in names)


def test_shrinkage_is_that_of_the_paper():
    values = np.random.default_rng(0).normal(size=(30, 4))
    values[:, 1] += values[:, 0]
    unit = (values - values.mean(0)) / values.std(0, ddof=1)
    n, noise, signal = 30, 0.0, 0.0
    for i in range(4):
        for j in range(4):
            if i == j:
                continue
            products = unit[:, i] * unit[:, j]
            noise += n / (n - 1) ** 3 * ((products - products.mean()) ** 2).sum()
            signal += (products.sum() / (n - 1)) ** 2
    found, shrinkage = shrunk_correlation(values)
    assert shrinkage == pytest.approx(noise / signal)
    expected = (1 - noise / signal) * np.corrcoef(values, rowvar=False)
    np.testing.assert_allclose(found[0, 1], expected[0, 1])
    np.testing.assert_allclose(np.diag(found), 1)


def test_noise_is_drawn_to_zero_and_what_does_not_vary_goes_with_none():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(6, 40))
    values[:, 0] = 2.5
    found, shrinkage = shrunk_correlation(values)
    assert shrinkage > 0.8
    assert not found[0, 1:].any()
    assert shrunk_correlation(np.ones((5, 3)))[1] == 1


def test_genes_that_go_together_are_tied():
    rng = np.random.default_rng(2)
    attributions = rng.normal(size=(200, 6)) + 5
    attributions[:, 3] = 9 - attributions[:, 1]
    attributions[:, 5] *= 100
    counts = rng.poisson(3.0, size=(200, 6))
    counts[:, 5] = 0
    found = connect(attributions, csr_matrix(counts.astype(float)), n_genes=5, n_edges=1)
    assert 5 not in found.genes
    assert set(found.genes[found.pairs[0]]) == {1, 3}
    assert found.correlation[0] < -0.9
    log = np.log1p(1e4 * counts / counts.sum(1, keepdims=True))
    together = np.corrcoef(log[:, 1], log[:, 3])[0, 1]
    assert abs(found.coexpression[0]) <= abs(together)
    np.testing.assert_allclose(found.attributions, attributions[:, found.genes].mean(0))
    np.testing.assert_allclose(found.expression, log[:, found.genes].mean(0))


def test_no_genes_no_ties():
    found = connect(np.ones((10, 3)), csr_matrix((10, 3)), n_genes=5, n_edges=5)
    assert (len(found.genes), len(found.pairs), found.shrinkage) == (0, 0, 1.0)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_batches_are_put_together_by_group(size):
    codes = np.array([0, 0, 1, 2, 2])
    values = np.arange(10, dtype=np.float32).reshape(5, 2)
    ends = np.zeros(size)
    batches = (Attributed(values[at : at + size], ends, ends) for at in range(0, 5, size))
    found = list(by_subject(batches, codes))
    assert [len(part) for part in found] == [2, 1, 2]
    np.testing.assert_array_equal(np.concatenate(found), values)


def test_ties_are_correlations_of_what_explain_finds(annotated, tie, tiny_model, monkeypatch):
    # The same rule as `explain`, and all of its genes.
    monkeypatch.setattr("scmmgpt_tl.tl._gene_network.STEPS", 24)
    tie(annotated, "cluster", label="T cell", against="B cell", n_edges=500)
    edges, genes, overview = tables(annotated)
    assert set(overview["label"]) == {"T cell"}
    assert set(overview["against"]) == {"B cell"}
    assert (overview["n_cells"] == 12).all()
    scmm.tl.explain(
        annotated, label="T cell", against="B cell", max_cells=None, n_genes=400, model=tiny_model
    )
    single = scmm.get.explanation_df(annotated)
    wide = single.pivot_table("attribution", "cell", "gene", fill_value=0)
    group = overview["group"].iloc[0]
    own = genes[genes["group"] == group].set_index("gene")
    inside = np.flatnonzero(annotated.obs["cluster"] == group)
    cells = annotated.obs_names[sample(inside, annotated.obs_names, 12)]
    np.testing.assert_allclose(own["attribution"], wide.loc[cells, own.index].mean(), atol=1e-4)
    shrinkage = overview["shrinkage"].iloc[0]
    expected = (1 - shrinkage) * np.corrcoef(wide.loc[cells, own.index], rowvar=False)
    expected = pd.DataFrame(expected, own.index, own.index)
    ties = edges[edges["group"] == group]
    found = [expected.loc[row.gene, row.other] for row in ties.itertuples()]
    np.testing.assert_allclose(ties["correlation"], found, atol=2e-3)
    assert ties["correlation"].abs().is_monotonic_decreasing
    assert ties["rank"].tolist() == list(range(1, len(ties) + 1))


def test_cells_of_each_label_are_a_group(annotated, tie):
    tie(annotated)
    edges, genes, overview = tables(annotated)
    counts = annotated.obs["scmm_cell_type"].value_counts()
    large = [name for name in LABELS if counts.get(name, 0) >= 10]
    assert large
    assert overview["group"].tolist() == sorted(large)
    assert (overview["group"] == overview["label"]).all()
    assert (overview["label"] != overview["against"]).all()
    assert (overview["n_genes"] <= 20).all()
    assert (edges.groupby("group", observed=True).size() <= 15).all()
    assert (edges["gene"] != edges["other"]).all()
    for group in large:
        own = genes[genes["group"] == group].set_index("gene")["n_edges"]
        tied = edges.loc[edges["group"] == group, ["gene", "other"]].to_numpy().ravel()
        assert pd.Series(tied).value_counts().to_dict() == own[own > 0].to_dict()
    assert edges[["correlation", "coexpression"]].abs().to_numpy().max() <= 1
    tie(annotated, label=large[0], key_added="one")
    one = tables(annotated, key="one")
    assert one[2]["group"].tolist() == large[:1]
    own = edges[edges["group"] == large[0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(one[0], own)


def test_batches_and_order_do_not_matter(annotated, tie):
    other = annotated[np.random.default_rng(0).permutation(60)].copy()
    tie(annotated)
    tie(other, batch_size=5)
    left, right = (scmm.get.gene_network_df(adata, table="genes") for adata in (annotated, other))
    columns = ["group", "gene", "attribution", "expression"]
    pd.testing.assert_frame_equal(left[columns], right[columns], atol=1e-4)
    ties = [scmm.get.gene_network_df(adata)["correlation"] for adata in (annotated, other)]
    np.testing.assert_allclose(*ties, atol=1e-3)


def test_small_groups_are_left_out_and_named(annotated, tie):
    annotated.obs["part"] = pd.Categorical(np.repeat(["large", "small"], [55, 5]))
    stream, before = StringIO(), sc.settings.logfile
    sc.settings.logfile = stream
    tie(annotated, "part", label="T cell")
    sc.settings.logfile = before
    assert "left out groups of fewer than 10 cells: 'small' (5)" in stream.getvalue()
    assert tables(annotated)[2]["group"].tolist() == ["large"]


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
def test_results_survive_a_file_and_a_copy(annotated, tie, tmp_path):
    before = annotated.copy()
    found = tie(annotated, copy=True)
    assert_same(before, annotated)
    found.write_h5ad(tmp_path / "cells.h5ad")
    assert_same(found, read_h5ad(tmp_path / "cells.h5ad"))
    params = found.uns["scmm_gene_network"]["params"]
    assert params["method"] == "integrated_gradients"
    assert (params["max_cells"], params["n_genes"], params["n_edges"]) == (12, 20, 15)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_cells": 9}, "`max_cells` must be a whole number, 10 or more, found 9"),
        ({"n_genes": 1}, "`n_genes` must be a whole number, 2 or more, found 1"),
        ({"n_edges": 0}, "`n_edges` must be a whole number, 1 or more, found 0"),
        ({"batch_size": 0}, "`batch_size` must be a whole number, 1 or more"),
        ({"key": "other"}, "Run `scmm.tl.annotate` first"),
        ({"label": "neuron"}, "'neuron' is no label of the annotation"),
        ({"groupby": "leiden"}, r"Did not find .obs\['leiden'\]. Choose `groupby` from"),
        ({"groupby": "single"}, r"No group has 10 cells: found 'c0' \(1\)"),
        ({"key_added": "a/b"}, "`key_added` must be a non-empty string without '/'"),
    ],
)
def test_bad_input_changes_nothing(annotated, tie, options, match):
    annotated.obs["single"] = [f"c{i}" for i in range(60)]
    before = annotated.copy()
    with pytest.raises(ValueError, match=match):
        tie(annotated, **{"label": "T cell", **options} if "groupby" in options else options)
    assert_same(before, annotated)


def test_a_label_that_no_cell_has(annotated, tie):
    cells = annotated[annotated.obs["scmm_cell_type"] != "T cell"].copy()
    with pytest.raises(ValueError, match="'T cell' has no rival"):
        tie(cells, label="T cell")


def test_table_must_be_one_of_three(annotated, tie):
    with pytest.raises(ValueError, match=r"Run `scmm.tl.gene_network` first"):
        scmm.get.gene_network_df(annotated)
    tie(annotated)
    with pytest.raises(ValueError, match="`table` must be one of"):
        scmm.get.gene_network_df(annotated, table="nodes")
