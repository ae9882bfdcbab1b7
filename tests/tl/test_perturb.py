"""Predicted perturbations."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_matrix

import scmmgpt_tl as scmm
from scmmgpt_tl.tl._perturbation.in_silico import change_counts

MINE = ("scmm_perturb_groups", "scmm_perturb_perturbations")


@pytest.fixture
def learned(experiment_adata, tiny_model):
    """What was learned from all groups but the last."""
    part = experiment_adata[experiment_adata.obs["group"] != "b2"].copy()
    return scmm.train.perturbation(part, "done", "control", groupby="group", model=tiny_model)


def test_layout(experiment_adata, learned, tiny_model):
    before = experiment_adata.copy()
    found = scmm.tl.perturb(experiment_adata, ["JAK1"], model=learned)
    assert found.shape == (4, len(learned.genes))
    assert list(found.var_names) == list(learned.genes)
    assert list(found.obs["group"]) == ["a1", "a2", "b1", "b2"]
    assert list(found.obs["basis"]) == ["measured"] * 3 + ["other groups"]
    assert found.obs["n_cells"].tolist() == [30] * 4
    assert found.obs["expected_r"].notna().tolist() == [False] * 3 + [True]
    np.testing.assert_allclose(found.X, found.layers["control"] + found.layers["shift"], atol=1e-5)
    assert (found.X >= -1e-6).all()
    for key in MINE:
        np.testing.assert_allclose(found.obsm[key].sum(1), 1, atol=1e-5)
    record = found.uns["scmm_perturb"]
    assert record["params"]["sha256"] == tiny_model.sha256
    assert record["params"]["groupby"] == "group"
    assert set(record["checks"]["question"]) == {"group"}
    # The cells are only read.
    assert (experiment_adata.X != before.X).nnz == 0
    assert list(experiment_adata.obs) == list(before.obs)
    assert not experiment_adata.uns


def test_a_held_out_group_is_predicted_from_what_is_like_it(experiment_adata, learned, tiny_model):
    found = scmm.tl.perturb(experiment_adata, "interferon beta", model=learned)
    whole = scmm.train.perturbation(
        experiment_adata, "done", "control", groupby="group", model=tiny_model
    )
    truth = whole.shifts[1, 3]
    mean = learned.shifts[1].mean(0)
    shift = found.layers["shift"][3]
    assert found.obsm["scmm_perturb_groups"].iloc[3].idxmax() == "b1"
    assert np.corrcoef(shift, truth)[0, 1] > np.corrcoef(mean, truth)[0, 1]


@pytest.mark.filterwarnings("ignore:zarr v3 autosharding", "ignore:Consolidated metadata")
@pytest.mark.parametrize("store", ["h5ad", "zarr"])
def test_paths(experiment_adata, learned, tmp_path, store):
    path = tmp_path / f"cells.{store}"
    getattr(experiment_adata, f"write_{store}")(path)
    expected = scmm.tl.perturb(experiment_adata, "JAK1", model=learned)
    for found in (
        scmm.tl.perturb(path, "JAK1", model=learned),
        *scmm.tl.perturb([path, str(path)], "JAK1", model=learned),
    ):
        np.testing.assert_allclose(found.X, expected.X, atol=1e-5)
        pd.testing.assert_frame_equal(found.obs, expected.obs)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.filterwarnings("ignore:This changes genes in the counts:UserWarning")
def test_groups_of_a_path_may_be_what_a_tool_has_found(counts_adata, tiny_model, tmp_path):
    path = tmp_path / "cells.h5ad"
    counts_adata.write_h5ad(path)
    scmm.tl.annotate(path, model=tiny_model)
    scmm.tl.annotate(counts_adata, model=tiny_model)
    found, expected = (
        scmm.tl.perturb(cells, "CD3D", "scmm_cell_type", model=tiny_model)
        for cells in (path, counts_adata)
    )
    assert found.obs["group"].tolist() == expected.obs["group"].tolist()
    np.testing.assert_allclose(found.layers["shift"], expected.layers["shift"], atol=1e-5)
    with pytest.raises(ValueError, match="nothing_like_it"):
        scmm.tl.perturb(path, "CD3D", "nothing_like_it", model=tiny_model)


def test_control_cells_alone_are_where_it_starts(experiment_adata, learned):
    found = scmm.tl.perturb(experiment_adata, "JAK1", model=learned)
    control = experiment_adata[experiment_adata.obs["done"] == "control"].copy()
    del control.obs["done"]
    again = scmm.tl.perturb(control, "JAK1", model=learned)
    np.testing.assert_allclose(again.layers["control"], found.layers["control"], atol=1e-5)
    every = experiment_adata.copy()
    del every.obs["done"]
    other = scmm.tl.perturb(every, "JAK1", model=learned)
    assert other.obs["n_cells"].tolist() == [90] * 4


def test_several_and_all_at_once(experiment_adata, learned):
    asked = {"one": "JAK1", "both": ["interferon beta", "JAK1"], "new": "KLF3"}
    found = scmm.tl.perturb(experiment_adata, asked, model=learned)
    assert list(found.obs["perturbation"].cat.categories) == list(asked)
    assert found.n_obs == 12
    other = scmm.tl.perturb(experiment_adata, "interferon beta", model=learned)
    both = found[found.obs["perturbation"] == "both"]
    assert set(both.obs["basis"]) == {"sum of parts"}
    # Where the sum is less than nothing, nothing is left.
    sums = found.layers["shift"][:4] + other.layers["shift"]
    possible = found.layers["control"][:4] + sums > 0.01
    np.testing.assert_allclose(both.layers["shift"][possible], sums[possible], atol=0.02)
    new = found[found.obs["perturbation"] == "new"]
    assert list(new.obs["basis"]) == ["other perturbations"] * 3 + [
        "other groups and perturbations"
    ]
    joined = scmm.tl.perturb(experiment_adata, "JAK1+KLF3", model=learned)
    assert set(joined.obs["perturbation"]) == {"JAK1+KLF3"}


def test_a_pair_that_was_measured_is_given_as_measured(experiment_adata, tiny_model):
    done = experiment_adata.obs["done"].astype(str)
    experiment_adata.obs["done"] = done.replace("interferon beta", "JAK1+KLF3")
    fitted = scmm.train.perturbation(experiment_adata, "done", "control", model=tiny_model)
    found = scmm.tl.perturb(experiment_adata, ["KLF3", "JAK1"], model=fitted)
    assert found.obs["basis"].tolist() == ["measured"]
    place = fitted.perturbations.index("JAK1+KLF3")
    np.testing.assert_allclose(found.layers["shift"][0], fitted.shifts[place, 0], atol=1e-5)


def test_fewer_genes(experiment_adata, learned):
    part = experiment_adata[:, ~experiment_adata.var_names.isin(learned.genes[:3])].copy()
    with pytest.warns(UserWarning, match="measured 297 of the 300 genes"):
        found = scmm.tl.perturb(part, "JAK1", model=learned)
    assert list(found.var_names) == list(learned.genes[3:])


def test_saved_folder(experiment_adata, learned, tmp_path, monkeypatch, tiny_model):
    learned.save(tmp_path / "learned")
    monkeypatch.setattr(scmm, "load_model", lambda *_: tiny_model)
    found = scmm.tl.perturb(experiment_adata, "JAK1", model=tmp_path / "learned")
    again = scmm.tl.perturb(experiment_adata, "JAK1", model=learned)
    np.testing.assert_array_equal(found.X, again.X)


@pytest.mark.parametrize("convert", [csc_matrix, lambda x: x.toarray()], ids=["csc", "dense"])
def test_storage_order_and_batches_do_not_matter(experiment_adata, learned, convert):
    found = scmm.tl.perturb(experiment_adata, "JAK1", model=learned)
    other = experiment_adata[np.random.default_rng(0).permutation(360)].copy()
    other.X = convert(other.X)
    again = scmm.tl.perturb(other, "JAK1", model=learned, batch_size=7)
    np.testing.assert_allclose(again.X, found.X, atol=1e-5)
    assert again.obs["basis"].tolist() == found.obs["basis"].tolist()


def test_is_written_and_read_again(experiment_adata, learned, tmp_path):
    found = scmm.tl.perturb(experiment_adata, {"a/b": "JAK1"}, model=learned)
    found.write_h5ad(tmp_path / "found.h5ad")
    again = ad.read_h5ad(tmp_path / "found.h5ad")
    np.testing.assert_array_equal(again.layers["shift"], found.layers["shift"])
    assert list(again.obs["basis"]) == list(found.obs["basis"])


def test_genes_changed_in_the_counts(counts_adata, tiny_model):
    before = counts_adata.copy()
    labels = ["T cell", "B cell", "platelet"]
    with pytest.warns(UserWarning, match="no better than chance"):
        found = scmm.tl.perturb(
            counts_adata, {"out": ["CD3D", "CD3E"]}, "cluster", labels=labels, model=tiny_model
        )
    assert list(found.var_names) == labels
    assert list(found.obs["group"]) == ["B", "T", "mono"]
    assert set(found.obs["basis"]) == {"in silico"}
    assert not found.obsm
    without = counts_adata.copy()
    without.X = without.X.toarray()
    without.X[:, without.var_names.isin(["CD3D", "CD3E"])] = 0
    for cells, layer in ((counts_adata, found.layers["control"]), (without, found.X)):
        scored = scmm.tl.annotate(cells, labels, model=tiny_model, copy=True)
        scores = scored.obsm["scmm_cell_type_scores"].groupby(scored.obs["cluster"], observed=True)
        np.testing.assert_allclose(layer, scores.mean(), atol=1e-5)
    assert (counts_adata.X != before.X).nnz == 0


def test_a_gene_is_raised_to_the_highest_count():
    cells = csr_matrix(np.array([[0, 5, 2], [0, 0, 0], [7, 1, 0]], dtype=np.float32))
    found = change_counts(cells, np.array([0, 2]), direction="over-expression")
    np.testing.assert_array_equal(found.toarray(), [[5, 5, 5], [0, 0, 0], [7, 1, 7]])
    assert found.dtype == np.float32
    gone = change_counts(cells, np.array([1]), direction="knock-out")
    np.testing.assert_array_equal(gone.toarray(), [[0, 0, 2], [0, 0, 0], [7, 0, 0]])
    assert gone.nnz == 2


@pytest.mark.parametrize(
    ("what", "error", "match"),
    [
        ("", ValueError, "empty name"),
        ([], ValueError, "empty name"),
        ({}, ValueError, "`what` is empty"),
        (3, TypeError, "must be a gene or words"),
        (["JAK1", 3], TypeError, "must hold strings, found int"),
        (["JAK1", "JAK1"], ValueError, "names a part twice"),
        ("interferon beta", ValueError, "has to be learned from an experiment"),
    ],
)
def test_what_must_be_said(counts_adata, tiny_model, what, error, match):
    with pytest.raises(error, match=match):
        scmm.tl.perturb(counts_adata, what, model=tiny_model)


def test_other_bad_input(experiment_adata, learned, tiny_model):
    with pytest.raises(ValueError, match="`direction` must be 'knock-out' or"):
        scmm.tl.perturb(experiment_adata, "CD3D", model=tiny_model, direction="up")
    with pytest.raises(ValueError, match="did not measure CD3D"):
        scmm.tl.perturb(
            experiment_adata[:, experiment_adata.var_names != "CD3D"].copy(),
            "CD3D",
            model=tiny_model,
        )
    with pytest.raises(ValueError, match=r"Did not find .obs\['x'\]"):
        scmm.tl.perturb(experiment_adata, "JAK1", "x", model=learned)
    treated = experiment_adata[experiment_adata.obs["done"] != "control"].copy()
    with pytest.raises(ValueError, match="'a1' has no unperturbed cells"):
        scmm.tl.perturb(treated, "JAK1", model=learned)
    with pytest.raises(ValueError, match="`key_added` must be a non-empty string"):
        scmm.tl.perturb(experiment_adata, "JAK1", model=learned, key_added="")


def test_another_key(experiment_adata, learned):
    found = scmm.tl.perturb(experiment_adata, "JAK1", model=learned, key_added="mine")
    assert list(found.uns) == ["mine"]
    assert set(found.obsm) == {"mine_groups", "mine_perturbations"}
