"""Gene activity of ATAC-seq: fragments in and before genes, in the place of expression."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm
from scmmgpt_tl.pp import check_counts

LABELS = ["T cell", "B cell", "monocyte"]


@pytest.fixture
def activity(counts_adata) -> AnnData:
    """Fragments of sixty cells: twice the RNA's signal, over chromatin that is open everywhere."""
    rng = np.random.default_rng(3)
    length = rng.uniform(5, 100, counts_adata.n_vars)
    fragments = rng.poisson(2 * counts_adata.X.toarray() + 0.02 * length)
    adata = AnnData(csr_matrix(fragments.astype(np.float32)), obs=counts_adata.obs.copy())
    adata.var_names, adata.var["kb"] = counts_adata.var_names, length
    return adata


@pytest.fixture
def both(counts_adata, activity):
    mudata = pytest.importorskip("mudata")
    # MuData wants each name in one modality only.
    counts_adata.var_names = counts_adata.var["gene_ids"].to_numpy()
    return mudata.MuData({"rna": counts_adata, "atac": activity})


def scores(adata):
    return adata.obsm["scmm_cell_type_scores"].to_numpy()


def test_labels_go_to_the_modality_that_was_read(both, activity, tiny_model):
    plain = AnnData(activity.X.copy(), obs=activity.obs.copy(), var=activity.var.copy())
    with pytest.warns(UserWarning, match="scores and thresholds were fitted on RNA"):
        scmm.tl.annotate(both, LABELS, mod="atac", model=tiny_model)
    scmm.tl.annotate(plain, LABELS, model=tiny_model)
    np.testing.assert_allclose(scores(both["atac"]), scores(plain), atol=1e-6)
    assert "scmm_cell_type" not in both["rna"].obs
    assert both["atac"].uns["scmm_cell_type"]["params"]["mod"] == "atac"


def test_activity_may_be_scaled_as_a_whole(activity, tiny_model):
    scaled = activity.copy()
    scaled.X = scaled.X * np.float32(0.37)
    with pytest.warns(UserWarning, match="They are taken as linear"):
        scmm.tl.annotate(scaled, LABELS, model=tiny_model)
    assert scaled.uns["scmm_cell_type"]["params"]["values"] == "fractional"
    scmm.tl.annotate(activity, LABELS, model=tiny_model)
    np.testing.assert_allclose(scores(scaled), scores(activity), atol=1e-4)


def test_small_fractions_look_like_logarithms_unless_told(activity, tiny_model):
    by_length = activity.copy()
    by_length.X = csr_matrix(activity.X.toarray() / activity.var["kb"].to_numpy()).astype("f4")
    with pytest.raises(ValueError, match="looks log-normalised"):
        scmm.tl.annotate(by_length, LABELS, model=tiny_model)
    scmm.tl.annotate(by_length, LABELS, counts="raw", model=tiny_model)
    scmm.tl.annotate(activity, LABELS, model=tiny_model)
    assert np.abs(scores(by_length) - scores(activity)).max() > 1e-3


def test_logarithms_are_refused_and_can_be_undone(activity, tiny_model):
    total = np.asarray(activity.X.sum(axis=1))
    logged = activity.copy()
    logged.X = csr_matrix(np.log1p(1e4 * activity.X.toarray() / total)).astype("f4")
    with pytest.raises(ValueError, match="counts='lognorm'|counts=\"lognorm\""):
        scmm.tl.annotate(logged, LABELS, model=tiny_model)
    scmm.tl.annotate(logged, LABELS, counts="lognorm", model=tiny_model)
    scmm.tl.annotate(activity, LABELS, model=tiny_model)
    np.testing.assert_allclose(scores(logged), scores(activity), atol=1e-3)


def test_latent_factors_and_motif_deviations_are_refused(activity):
    activity.X = csr_matrix(activity.X.toarray() - activity.X.mean())
    with pytest.raises(ValueError, match="negative"):
        check_counts(activity)


def test_peaks_are_refused_in_the_modality(both, tiny_model):
    names = [f"chr1:{1000 * i}-{1000 * i + 500}" for i in range(both["atac"].n_vars)]
    both["atac"].var_names = names
    with (
        pytest.warns(UserWarning, match="seems to hold gene activity"),
        pytest.raises(ValueError, match="These are peaks of chromatin"),
    ):
        scmm.tl.annotate(both, LABELS, mod="atac", model=tiny_model)
    assert not both["atac"].uns
