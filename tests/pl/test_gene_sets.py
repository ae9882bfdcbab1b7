"""Scores of gene sets by group."""

from __future__ import annotations

import numpy as np
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl.pl._gene_sets import gene_sets_data


@pytest.fixture
def scored(counts_adata, tiny_model):
    sets = {"T": ["CD3D", "CD3E"], "B worth $5 or $10": ["MS4A1"]}
    scmm.tl.score_gene_sets(counts_adata, sets, model=tiny_model)
    return counts_adata


def test_means_by_group(scored):
    data = gene_sets_data(scored, "cluster", key="scmm_gene_sets")
    own = scored.obsm["scmm_gene_sets"]["T"][scored.obs["cluster"] == "T"].mean()
    np.testing.assert_allclose(data.loc["T", "T"], own, rtol=1e-5)
    assert data.shape == (3, 2)


def test_picture(scored):
    ax = scmm.pl.gene_sets(scored, "cluster", show=False)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["B", "T", "mono"]
    assert len(ax.texts) == 6
    assert np.asarray(ax.images[0].get_array()).argmax(axis=0).tolist() == [1, 0]


def test_one_group_is_neither_above_nor_below(scored):
    scored.obs["all"] = "all"
    ax = scmm.pl.gene_sets(scored, "all", show=False)
    assert not np.asarray(ax.images[0].get_array()).any()


def test_missing(scored):
    with pytest.raises(ValueError, match=r"Did not find `adata.obs\['leiden'\]`"):
        scmm.pl.gene_sets(scored, "leiden")
    with pytest.raises(ValueError, match=r"Run `scmm.tl.score_gene_sets` first"):
        scmm.pl.gene_sets(scored, "cluster", key="other")
