from __future__ import annotations

import random
import sys

import numpy as np
import pandas as pd
import pytest

import scmmgpt_tl as scmm

KEY = "X_scmm_integrated"
LABELS = ["T cell", "B cell", "monocyte"]
# Neither has genes enough to be read.
POOR = [3, 5]


@pytest.fixture
def batched(poor_adata):
    """Three clusters in two batches, one of which is full of transcripts of ten genes."""
    batch = np.tile(["late", "early"], 30)
    counts = poor_adata.X.toarray()
    extra = np.random.default_rng(0).poisson(6.0, size=(60, 10))
    extra[batch == "early"], extra[POOR] = 0, 0
    counts[:, -40:-30] += extra
    poor_adata.X = type(poor_adata.X)(counts)
    poor_adata.obs["batch"] = pd.Categorical(batch, categories=["late", "early", "never"])
    return poor_adata


@pytest.fixture
def integrate(tiny_model):
    return lambda adata, batch="batch", **more: scmm.tl.integrate(
        adata, batch, model=tiny_model, **more
    )


def gap(place, adata):
    """Distance of the batches' means, by how far cells lie from the middle."""
    rows = np.setdiff1d(np.arange(adata.n_obs), POOR)
    late = (adata.obs["batch"] == "late").to_numpy()[rows]
    place = place[rows] - place[rows].mean(0)
    apart = np.linalg.norm(place[late].mean(0) - place[~late].mean(0))
    return apart / np.sqrt(np.square(place).sum(1).mean())


def test_batches_come_together(batched, integrate):
    import scanpy as sc

    integrate(batched)
    place, table = batched.obsm[KEY], batched.uns[KEY]["batches"]
    assert place.dtype == np.float32
    assert not place[POOR].any()
    assert table["batch"].tolist() == ["late", "early"]
    assert table["n_cells"].tolist() == [30, 30]
    assert (table["moved"] > 0.05).all()
    assert batched.uns[KEY]["params"]["batch_key"] == "batch"
    sc.pp.neighbors(batched, use_rep=KEY, n_neighbors=5)
    # A representation of one's own, before and after.
    rng = np.random.default_rng(1)
    shift = 4.0 * (batched.obs["batch"] == "late").to_numpy()[:, None]
    batched.obsm["X_mine"] = rng.normal(size=(60, 3)) + shift
    integrate(batched, use_rep="X_mine", key_added="mine")
    assert batched.obsm["mine"].shape == (60, 3)
    assert gap(batched.obsm["X_mine"], batched) > 1.5
    assert gap(batched.obsm["mine"], batched) < 0.6


def test_labels_of_an_annotation_are_used(batched, integrate, tiny_model):
    scmm.tl.annotate(batched, LABELS, model=tiny_model, threshold=0.0)
    integrate(batched, key="scmm_cell_type", key_added="by_key")
    integrate(batched, key_added="by_own")
    assert batched.uns["by_key"]["params"]["key"] == "scmm_cell_type"
    assert not np.allclose(batched.obsm["by_key"], batched.obsm["by_own"])
    # Nothing is read of the cells but the annotation and the representation.
    batched.obsm["X_mine"] = np.random.default_rng(0).normal(size=(60, 4))
    integrate(batched, key="scmm_cell_type", use_rep="X_mine", key_added="mine")
    assert batched.obsm["mine"].shape == (60, 4)


def test_true_labels_are_not_looked_at(batched, integrate):
    integrate(batched)
    before = batched.obsm[KEY].copy()
    batched.obs["cell_type"] = batched.obs["cluster"] = "nonsense"
    integrate(batched)
    np.testing.assert_array_equal(batched.obsm[KEY], before)


def test_few_cells(batched, integrate):
    few = batched[:2].copy()
    integrate(few)
    assert few.obsm[KEY].shape[0] == 2
    unread = batched[POOR].copy()
    unread.obs["batch"] = ["late", "early"]
    with pytest.raises(ValueError, match="No cell has enough genes that the model knows"):
        integrate(unread)


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"batch": "donor"}, ValueError, r"\['donor'\]. Choose `batch_key` from cluster, batch"),
        ({"batch": "one"}, ValueError, r"one batch, 'x': there is nothing to integrate"),
        ({"batch": "gaps"}, ValueError, r"2 cells have nothing in .obs\['gaps'\] of `batch_key`"),
        ({"batch": "none"}, ValueError, r"60 cells have nothing in .obs\['none'\]"),
        ({"method": "harmony"}, ValueError, "must be 'linear' or 'scanvi', not 'harmony'"),
        ({"max_epochs": 3}, ValueError, "`max_epochs` is for `method='scanvi'`; leave it out"),
        ({"save": "model"}, ValueError, "`save` is for `method='scanvi'`; leave it out"),
        (
            {"method": "scanvi", "use_rep": "X_umap"},
            ValueError,
            "`use_rep` is for `method='linear'`; leave it out with 'scanvi'",
        ),
        ({"method": "scanvi", "max_epochs": 0}, ValueError, "1 or more, not 0"),
        ({"method": "scanvi", "save": "."}, FileExistsError, "'.' exists already"),
        ({"key": "other"}, ValueError, r"Did not find adata.uns\['other'\]\['labels'\]"),
        ({"use_rep": "X_pca"}, ValueError, r"Did not find adata.obsm\['X_pca'\] of `use_rep`"),
        ({"key_added": "a/b"}, ValueError, "without '/'"),
    ],
)
def test_what_cannot_be_meant_is_refused(batched, integrate, more, error, message):
    batched.obs["one"], batched.obs["none"] = "x", np.nan
    batched.obs["gaps"] = np.where(np.arange(60) < 2, None, batched.obs["batch"].astype(str))
    with pytest.raises(error, match=message):
        integrate(batched, **more)
    assert KEY not in batched.obsm
    assert not batched.uns


def test_scvi_tools_is_asked_for(batched, integrate, monkeypatch):
    monkeypatch.setitem(sys.modules, "scvi", None)
    with pytest.raises(ImportError) as caught:
        integrate(batched, method="scanvi")
    assert "pip install 'scmmgpt-tl[scvi]'" in " ".join(caught.value.__notes__)


def _states(torch):
    """Where the global generators stand."""
    of_numpy = np.random.get_state()[1].tolist()  # noqa: NPY002
    return random.getstate(), of_numpy, torch.get_rng_state().tolist()


class TestScanvi:
    """With scvi-tools, where it is installed."""

    @pytest.fixture(autouse=True)
    def _scvi(self):
        pytest.importorskip("scvi", exc_type=ImportError)

    @pytest.fixture
    def labelled(self, batched, tiny_model):
        scmm.tl.annotate(batched, LABELS, model=tiny_model, threshold=0.0)
        # What the tiny model says is chance: the clusters stand in for it.
        said = np.repeat(LABELS, 20).astype(object)
        said[POOR], said[::7] = "unknown", "unknown"
        batched.obs["scmm_cell_type"] = pd.Categorical(said)
        reasons = np.where(said == "unknown", "low score", "ok").astype(object)
        reasons[3], reasons[5] = "no counts", "few genes"
        batched.obs["scmm_cell_type_reason"] = pd.Categorical(reasons)
        batched.layers["counts"] = batched.X.copy()
        batched.X = np.log1p(batched.X)
        return batched

    def test_labels_seed_it_and_scvi_tools_goes_on(self, labelled, integrate, tiny_model, tmp_path):
        import scvi
        import torch

        before = _states(torch)
        options = {"method": "scanvi", "key": "scmm_cell_type", "max_epochs": 2}
        integrate(labelled, **options, save=tmp_path / "model")
        assert _states(torch) == before
        latent = labelled.obsm[f"{KEY}_latent"]
        assert latent.shape == (60, 10)
        # The embedding lies beside it, with the same total variance.
        place = labelled.obsm[KEY]
        assert place.shape == (60, 10 + tiny_model.embed_text(["T cell"]).shape[1])
        for part in (place[:, :10], place[:, 10:]):
            np.testing.assert_allclose(np.square(part).sum(1).mean(), 1, rtol=1e-4)
        seeds = labelled.obs[f"{KEY}_seed"].astype(str)
        assert seeds.tolist() == labelled.obs["scmm_cell_type"].astype(str).tolist()
        table = labelled.uns[KEY]["seeds"]
        assert table["label"].tolist() == sorted(LABELS)
        assert table["n_cells"].sum() == (seeds != "unknown").sum()
        assert labelled.uns[KEY]["params"]["slot"] == "layers['counts']"
        again = integrate(labelled, **options, copy=True)
        np.testing.assert_array_equal(again.obsm[KEY], labelled.obsm[KEY])
        other = integrate(labelled, **options, rng=1, copy=True)
        assert not np.allclose(other.obsm[KEY], labelled.obsm[KEY])
        # What was registered fits the user's own object as well.
        model = scvi.model.SCANVI.load(tmp_path / "model")
        genes = model.adata.var_names
        assert model.adata.layers["counts"].shape == (60, len(genes))
        whole = scvi.model.SCANVI.load(tmp_path / "model", adata=labelled[:, genes].copy())
        found = whole.get_latent_representation()
        np.testing.assert_allclose(found, latent, atol=1e-5)

    def test_too_few_sure_cells(self, labelled, integrate):
        labelled.obs["scmm_cell_type"] = pd.Categorical(["T cell"] * 57 + ["B cell"] * 3)
        with pytest.raises(ValueError, match="at least 5 sure cells each, found 1: T cell"):
            integrate(labelled, method="scanvi", key="scmm_cell_type")
        assert KEY not in labelled.obsm

    def test_only_counts(self, batched, integrate):
        batched.X = batched.X * 0.5
        with (
            pytest.warns(UserWarning, match="taken as linear"),
            pytest.raises(ValueError, match=r"scVI is a model of raw counts, but X holds linear"),
        ):
            integrate(batched, method="scanvi")
