"""Shares on the slide."""

from __future__ import annotations

import numpy as np
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl.pl._mixture import mixture_data

TYPES = ["T cell", "B cell", "monocyte"]


@pytest.fixture
def spots(counts_adata, tiny_model):
    scmm.tl.deconvolve(counts_adata, TYPES, model=tiny_model)
    counts_adata.obsm["spatial"] = np.random.default_rng(0).uniform(0, 100, (counts_adata.n_obs, 2))
    return counts_adata


def test_panels_are_the_types_with_the_largest_shares(spots):
    means = spots.obsm["scmm_mixture"].mean()
    axes = scmm.pl.mixture(spots, n_labels=2, show=False)
    assert [ax.get_title() for ax in axes] == list(means.sort_values(ascending=False).index[:2])


def test_points_are_where_the_spots_are_and_as_dark_as_their_share(spots):
    (ax,) = scmm.pl.mixture(spots, ["B cell"], show=False)
    (points,) = ax.collections
    np.testing.assert_allclose(points.get_offsets(), spots.obsm["spatial"])
    np.testing.assert_allclose(points.get_array(), spots.obsm["scmm_mixture"]["B cell"])
    assert ax.yaxis_inverted()


def test_what_is_missing_is_named(spots):
    with pytest.raises(ValueError, match="no share of 'mast cell'; there are those of T cell, B"):
        scmm.pl.mixture(spots, ["mast cell"])
    with pytest.raises(ValueError, match=r"Did not find `adata.obsm\['other'\]`"):
        scmm.pl.mixture(spots, basis="other")
    with pytest.raises(ValueError, match=r"Run `scmm.tl.deconvolve` first"):
        mixture_data(spots, None, "spatial", key="no", n_labels=3)
