"""Found cells on an embedding."""

from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl import pl
from scmmgpt_tl.pl._search import search_data


def test_best_cells_are_drawn_last(adata):
    frame = search_data(adata, "X_umap", key="scmm_search")
    assert frame["score"].is_monotonic_increasing
    assert frame.index[-1] == adata.obs["scmm_search"].idxmax()
    at = frame.loc["c7", ["x", "y"]].to_numpy(dtype=float)
    np.testing.assert_array_equal(at, adata.obsm["X_umap"][7])


def test_query_is_the_title_as_written(adata):
    assert pl.search(adata, show=False).get_title() == "B cell worth $5 or $10"


def test_cells_without_score_are_drawn_grey(adata):
    adata.obs["scmm_search"] = adata.obs["scmm_search"].where(adata.obs["scmm_search"] > 0.5)
    ax = pl.search(adata, show=False)
    grey, scored = ax.collections
    assert len(grey.get_offsets()) == adata.n_obs
    assert len(scored.get_offsets()) == adata.obs["scmm_search"].notna().sum()


def test_missing_search(adata):
    with pytest.raises(ValueError, match=r"Run `scmm.tl.search` first"):
        pl.search(adata, key="other")


def test_missing_embedding(adata):
    del adata.obsm["X_umap"]
    with pytest.raises(ValueError, match=r"Run `sc.tl.umap` first"):
        pl.search(adata)
