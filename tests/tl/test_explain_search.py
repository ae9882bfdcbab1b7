from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl.tl._explain_search import leads, leave_words_out

QUERY = "glowing one in the dark"


@pytest.fixture
def searched(poor_adata, tiny_model):
    scmm.tl.search(poor_adata, QUERY, model=tiny_model)
    return poor_adata


@pytest.fixture
def explain_search(tiny_model):
    def run(adata, **more):
        scmm.tl.explain_search(adata, model=tiny_model, **more)
        return scmm.get.explanation_df(adata, key="scmm_search_explanation")

    return run


def test_a_word_pulls_what_the_search_loses_without_it(searched, explain_search, tiny_model):
    words = explain_search(searched, n_cells=7)
    assert words["word"].tolist() == QUERY.split()
    assert words["place"].tolist() == [1, 2, 3, 4, 5]
    assert (words["text"] == "query").all()
    score = searched.obs["scmm_search"].to_numpy()
    found = np.argsort(-score)[:7]
    others = np.setdiff1d(np.arange(60), found)
    lead = score[found].mean() - score[others].mean()
    assert searched.uns["scmm_search_explanation"]["lead"] == pytest.approx(lead, abs=1e-5)
    scmm.tl.search(searched, "glowing in the dark", model=tiny_model, key_added="less")
    less = searched.obs["less"].to_numpy()
    left = less[found].mean() - less[others].mean()
    assert words["pull"][1] == pytest.approx(lead - left, abs=1e-5)
    kept = len(set(np.argsort(-less)[:7]) & set(found)) / 7
    assert words["kept"][1] == pytest.approx(kept)


def test_the_definition_of_a_term_is_read_too(counts_adata, explain_search, tiny_model):
    scmm.tl.search(counts_adata, "mast cell", model=tiny_model)
    words = explain_search(counts_adata)
    assert words.loc[words["text"] == "query", "word"].tolist() == ["mast", "cell"]
    assert (words["text"] == "definition").sum() > 5
    assert not words["word"].str.contains(r"[.,;:()]$").any()


def test_order_and_batches_do_not_matter(searched, explain_search):
    turned = searched[::-1].copy()
    first = explain_search(searched)
    for other in (explain_search(turned), explain_search(searched, batch_size=7)):
        pd.testing.assert_frame_equal(first, other, atol=1e-5)


def test_a_wording_of_one_word_goes_as_a_whole():
    gaps = leave_words_out(["monocyte", "monocyte: a cell"], query="monocyte")
    assert [gap.wordings for gap in gaps] == [
        ("monocyte: a cell",),
        ("monocyte", "a cell"),
        ("monocyte", "monocyte: cell"),
        ("monocyte", "monocyte: a"),
    ]
    assert [gap.text for gap in gaps] == ["query", *["definition"] * 3]
    assert leave_words_out(["monocyte"], query="monocyte") == []


def test_leads():
    cosine = np.array([[3.0, 0.0], [1.0, 2.0], [2.0, 1.0], [0.0, 0.0]])
    lead, kept = leads(cosine, 2)
    np.testing.assert_allclose(lead, [2.0, -0.5])
    np.testing.assert_allclose(kept, [1.0, 0.5])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"key": "other"}, r"Did not find adata.uns\['other'\]\['params'\]"),
        ({"key": "scmm_cell_type"}, r"adata.uns\['scmm_cell_type'\] holds no search"),
        ({"n_cells": 60}, "`n_cells` is 60, but of 60 cells some must be left"),
        ({"n_cells": 0}, "`n_cells` must be a whole number, 1 or more, found 0"),
        ({"key_added": ""}, "`key_added` must be a non-empty string"),
    ],
)
def test_what_cannot_be_meant_is_refused(searched, explain_search, tiny_model, more, message):
    scmm.tl.annotate(searched, model=tiny_model)
    with pytest.raises(ValueError, match=message):
        explain_search(searched, **more)
    assert "scmm_search_explanation" not in searched.uns


def test_one_word_and_another_model_are_refused(searched, explain_search, tiny_model):
    with pytest.raises(ValueError, match=r"was made with the model tiny, revision r1, not with"):
        scmm.tl.explain_search(searched)
    scmm.tl.search(searched, "glow", model=tiny_model)
    with pytest.raises(ValueError, match="The query 'glow' is one word: nothing is left"):
        explain_search(searched)


def test_copy_and_record(searched, tiny_model):
    found = scmm.tl.explain_search(searched, model=tiny_model, copy=True)
    assert "scmm_search_explanation" not in searched.uns
    params = found.uns["scmm_search_explanation"]["params"]
    assert (params["query"], params["key"], params["n_cells"]) == (QUERY, "scmm_search", 6)
