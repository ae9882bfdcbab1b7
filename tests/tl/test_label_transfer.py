from __future__ import annotations

import numpy as np
import pytest

import scmmgpt_tl as scmm

from .conftest import labelled_cells

pytestmark = pytest.mark.filterwarnings("ignore:The Cell Ontology has no 'cluster seven'")
KEY = "scmm_transferred"


@pytest.fixture
def reference():
    return labelled_cells()


@pytest.fixture
def transfer(tiny_model):
    return lambda adata, reference, **more: scmm.tl.label_transfer(
        adata, reference, **{"labels_key": "type", "threshold": 0.0, "model": tiny_model} | more
    )


def test_cells_alone_find_cells_like_those(transfer, reference):
    # The model has random weights: a third is chance.
    query = reference[::-1].copy()
    del query.obs["type"]
    transfer(query, reference, text_weight=0.0)
    found = query.obs[KEY].astype(str).to_numpy()
    assert (found == reference.obs["type"].to_numpy()[::-1]).mean() > 0.6
    ids = query.obs.groupby(KEY, observed=True)[f"{KEY}_cl"].first()
    assert ids["T cell"] == "CL:0000084"
    assert ids["cluster seven"] == ""


def test_what_the_row_lacks_is_the_chance_of_another_type(transfer, counts_adata, reference):
    transfer(counts_adata, reference)
    scores = counts_adata.obsm[f"{KEY}_scores"]
    assert list(scores) == ["T cell", "cluster seven", "monocyte"]
    assert (scores.sum(axis=1) <= 1 + 1e-5).all()
    np.testing.assert_allclose(scores.max(axis=1), counts_adata.obs[f"{KEY}_score"], atol=1e-6)


def test_fewer_kinds_in_the_reference_leave_less_for_them(transfer, counts_adata, reference):
    reference.obs["type"] = reference.obs["type"].replace({"cluster seven": "B cell"})
    transfer(counts_adata, reference)
    less = reference[reference.obs["type"] != "B cell"].copy()
    transfer(counts_adata, less, key_added="less")
    whole = counts_adata.obsm[f"{KEY}_scores"].sum(axis=1)
    assert (counts_adata.obsm["less_scores"].sum(axis=1) < whole).all()


def test_a_cell_of_another_type_is_told(transfer, counts_adata, reference):
    less = reference[reference.obs["type"] != "cluster seven"].copy()
    less.obs["type"] = less.obs["type"].replace({"T cell": "hepatocyte", "monocyte": "platelet"})
    transfer(counts_adata, less, threshold=0.9)
    reasons = counts_adata.obs[f"{KEY}_reason"].astype(str)
    assert (reasons == "not in the reference").any()
    assert (counts_adata.obs.loc[reasons != "ok", KEY] == "unknown").all()


def test_the_reference_is_only_read(transfer, counts_adata, reference):
    before = reference.copy()
    transfer(counts_adata, reference)
    assert (reference.X != before.X).nnz == 0
    assert list(reference.obs) == list(before.obs)
    assert not reference.uns


def test_genes_that_the_query_lacks_do_not_count(transfer, counts_adata, reference):
    query = counts_adata[:, 50:].copy()
    less = reference.copy()
    hidden = ~less.var_names.isin(query.var_names)
    assert hidden.any()
    less.X = less.X.toarray()
    less.X[:, hidden] = 99
    transfer(query, reference)
    transfer(query, less, key_added="less")
    np.testing.assert_allclose(query.obsm["less_scores"], query.obsm[f"{KEY}_scores"], atol=1e-5)


def test_reference_values_may_be_of_another_kind(transfer, counts_adata, reference):
    import scanpy as sc

    logged = reference.copy()
    sc.pp.normalize_total(logged)
    sc.pp.log1p(logged)
    logged.var["mine"], logged.var_names = logged.var_names, [f"g{i}" for i in range(logged.n_vars)]
    logged.layers["mine"] = logged.X
    transfer(
        counts_adata,
        logged,
        reference_counts="lognorm",
        reference_layer="mine",
        reference_gene_symbols="mine",
    )
    params = counts_adata.uns[KEY]["params"]
    assert params["reference_counts"] == "lognorm"
    assert params["labels_key"] == "type"


def test_unlabelled_cells_are_left_out(transfer, counts_adata, reference):
    reference.obs.loc[reference.obs_names[:4], "type"] = "unknown"
    transfer(counts_adata, reference)
    table = counts_adata.uns[KEY]["reference"].set_index("label")["n_cells"]
    assert table.to_dict() == {"T cell": 6, "cluster seven": 10, "monocyte": 10}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"labels_key": "nothing"},
            r"Did not find reference.obs\['nothing'\]. Choose `labels_key`",
        ),
        ({"text_weight": 2.0}, "`text_weight` must lie between 0 and 1, not 2.0"),
        ({"threshold": -1.0}, "`threshold` must lie between 0 and 1"),
        ({"reference_layer": "mine"}, "mine"),
    ],
)
def test_what_cannot_be_meant_is_refused(transfer, counts_adata, reference, more, message):
    before = set(counts_adata.obs)
    with pytest.raises(ValueError, match=message):
        transfer(counts_adata, reference, **more)
    assert set(counts_adata.obs) == before
    assert not counts_adata.uns


def test_references_that_cannot_be_used(transfer, counts_adata, reference):
    with pytest.raises(TypeError, match="`reference` must be an AnnData with labels, not str"):
        transfer(counts_adata, "cells.h5ad")
    few = counts_adata[:, counts_adata.var_names.isin(reference.var_names[:100])].copy()
    with pytest.raises(ValueError, match="share 20 genes that the model knows; 25 are needed"):
        transfer(few, reference[:, 80:].copy())
    empty = reference.copy()
    empty.X = empty.X.toarray()
    empty.X[:10] = 0
    with pytest.raises(ValueError, match="No cell of 'T cell' in `reference` expresses"):
        transfer(counts_adata, empty)


def test_the_reference_of_a_mudata_may_be_plain(transfer, counts_adata, reference):
    mudata = pytest.importorskip("mudata")
    both = mudata.MuData({"gex": counts_adata})
    transfer(both, reference, mod="gex")
    assert KEY in both["gex"].obs


def test_counts_of_labels_and_reasons(transfer, poor_adata, reference):
    transfer(poor_adata, reference)
    frame = scmm.get.label_transfer_df(poor_adata).set_index("label")
    assert frame["n_cells"].sum() == poor_adata.n_obs
    assert frame["n_reference"].sum() == 30
    assert frame.loc["no counts", "n_cells"] == 1
    assert frame.loc["few genes", "n_reference"] == 0
    own = poor_adata.obs[poor_adata.obs[KEY] == "T cell"]
    assert frame.loc["T cell", "n_cells"] == len(own)
    if len(own):
        assert frame.loc["T cell", "score"] == pytest.approx(own[f"{KEY}_score"].mean())
    with pytest.raises(ValueError, match=r"Run `scmm.tl.label_transfer` first"):
        scmm.get.label_transfer_df(poor_adata, key="other")
