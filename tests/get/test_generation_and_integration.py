"""Tables of generated cells and of batches brought together, with numbers that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import scmmgpt_tl as scmm


@pytest.fixture
def made() -> AnnData:
    names = ["g1", "g2", "g3"]
    adata = AnnData(np.ones((2, 3), dtype=np.float32), var=pd.DataFrame(index=names))
    shares = {"a": [0.5, 0.4, 0.1], "b": [0.25, 0.4, 0.35]}
    adata.varm["scmm_prompt_share"] = pd.DataFrame(shares, index=names)
    prompts = pd.DataFrame({"name": ["a", "b"], "column": ["a", "b"]})
    adata.uns["scmm_prompt"] = {"params": {}, "prompts": prompts}
    return adata


def test_genes_that_a_text_raises_come_first(made):
    found = scmm.get.generation_df(made)
    assert list(found) == ["prompt", "rank", "gene", "share", "log2_fold"]
    assert found["prompt"].tolist() == ["a"] * 3 + ["b"] * 3
    assert found["gene"].tolist() == ["g1", "g2", "g3", "g3", "g2", "g1"]
    assert found["rank"].tolist() == [1, 2, 3] * 2
    np.testing.assert_allclose(found["log2_fold"][:2], [1, 0], atol=1e-4)
    alone = scmm.get.generation_df(made, prompt="b")
    pd.testing.assert_frame_equal(alone, found[3:].reset_index(drop=True))


def test_one_text_has_nothing_to_be_raised_over(made):
    del made.varm["scmm_prompt_share"]["b"]
    found = scmm.get.generation_df(made)
    assert found["gene"].tolist() == ["g1", "g2", "g3"]
    assert found["log2_fold"].isna().all()


def test_texts_that_are_not_there(made):
    with pytest.raises(ValueError, match=r"There is no text 'c'. Choose from 'a', 'b'"):
        scmm.get.generation_df(made, prompt="c")
    del made.varm["scmm_prompt_share"]
    with pytest.raises(ValueError, match=r"Did not find adata.varm\['scmm_prompt_share'\]"):
        scmm.get.generation_df(made)
    with pytest.raises(ValueError, match="Run `scmm.tl.generate` first"):
        scmm.get.generation_df(made, key="nothing")


def test_batches_and_seeds():
    adata = AnnData(np.ones((3, 1), dtype=np.float32))
    batches = pd.DataFrame({"batch": ["x", "y"], "n_cells": [2, 1], "moved": [0.1, 0.2]})
    adata.uns["X_scmm_integrated"] = {"params": {}, "genes": {}, "batches": batches}
    found = scmm.get.integration_df(adata)
    pd.testing.assert_frame_equal(found, batches)
    found.loc[0, "n_cells"] = 7
    assert adata.uns["X_scmm_integrated"]["batches"]["n_cells"][0] == 2
    with pytest.raises(ValueError, match=r"There is no table 'seeds' .* Choose from 'batches'\."):
        scmm.get.integration_df(adata, table="seeds")
    seeds = pd.DataFrame({"label": ["T cell"], "n_cells": [3]})
    adata.uns["X_scmm_integrated"]["seeds"] = seeds
    pd.testing.assert_frame_equal(scmm.get.integration_df(adata, table="seeds"), seeds)
    with pytest.raises(ValueError, match="no table 'genes'"):
        scmm.get.integration_df(adata, table="genes")
    with pytest.raises(ValueError, match="Run `scmm.tl.integrate` first"):
        scmm.get.integration_df(adata, key="nothing")
