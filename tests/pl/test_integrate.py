"""Cells by batch and by label."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from scmmgpt_tl import pl
from scmmgpt_tl.pl._figure import PALETTE


@pytest.fixture
def integrated(adata):
    adata.obs["donor"] = ["one"] * 10 + ["two"] * 30
    batches = pd.DataFrame({"batch": ["two", "one"], "n_cells": [30, 10]})
    adata.uns["X_scmm_integrated"] = {"params": {"batch_key": "donor"}, "batches": batches}
    adata.obsm["X_before"] = np.random.default_rng(0).normal(size=(40, 2))
    return adata


def test_two_panels_an_embedding(integrated):
    axes = pl.integrate(integrated, ["X_before", "X_umap"], show=False)
    assert [ax.get_title() for ax in axes] == ["batch", "cell type"] * 2
    assert (axes[0].get_xlabel(), axes[2].get_xlabel()) == ("BEFORE1", "UMAP1")
    assert len(pl.integrate(integrated, show=False)) == 2


def test_batches_in_their_order_with_their_colours(integrated):
    by_batch, by_label = pl.integrate(integrated, show=False)
    (points,) = by_batch.collections
    drawn = [tuple(row) for row in points.get_facecolors()]
    assert drawn.count(to_rgba(PALETTE[0])) == 30
    assert drawn.count(to_rgba(PALETTE[1])) == 10
    legend = [text.get_text() for text in by_batch.get_legend().get_texts()]
    assert legend == ["two (30)", "one (10)"]
    assert "unknown (2)" in [text.get_text() for text in by_label.get_legend().get_texts()]
    offsets = np.sort(np.asarray(points.get_offsets()), axis=0)
    np.testing.assert_allclose(offsets, np.sort(integrated.obsm["X_umap"], axis=0))


def test_what_is_missing_is_named(integrated):
    with pytest.raises(ValueError, match=r"X_tsne.*Run `sc.tl.tsne` first"):
        pl.integrate(integrated, ["X_umap", "X_tsne"])
    with pytest.raises(ValueError, match="Run `scmm.tl.integrate` first"):
        pl.integrate(integrated, key="other")
    with pytest.raises(ValueError, match="Run `scmm.tl.annotate` first"):
        pl.integrate(integrated, labels="other")
    del integrated.obs["donor"]
    with pytest.raises(ValueError, match=r"Did not find .obs\['donor'\], by which"):
        pl.integrate(integrated)
