from __future__ import annotations

import numpy as np
import pytest

import scmmgpt_tl as scmm


def test_scores_are_means_of_searches(poor_adata, tiny_model):
    terms = ["T cell", "glowing one", "CL:0000236"]
    scmm.tl.rank_terms(poor_adata, terms, "cluster", model=tiny_model)
    table = scmm.get.rank_terms_df(poor_adata)
    counted = poor_adata.obs.index.difference(["cell3", "cell5"])
    for term in terms:
        scmm.tl.search(poor_adata, term, model=tiny_model)
        own = poor_adata.obs.loc[counted]
        means = own.groupby("cluster", observed=True)["scmm_search"].mean()
        found = table[table["term"] == term].set_index("group")["score"]
        np.testing.assert_allclose(found[means.index], means, atol=1e-5)
    assert table.groupby("group")["rank"].apply(list).tolist() == [[1, 2, 3]] * 3
    assert all(rows["score"].is_monotonic_decreasing for _, rows in table.groupby("group"))
    ids = dict(zip(table["term"], table["cl_id"], strict=True))
    assert ids == {"T cell": "CL:0000084", "glowing one": "", "CL:0000236": "CL:0000236"}


def test_own_labels_and_all_cells(counts_adata, tiny_model):
    scmm.tl.rank_terms(counts_adata, model=tiny_model, n_terms=4)
    table = scmm.get.rank_terms_df(counts_adata)
    assert table["group"].tolist() == ["all"] * 4
    assert set(table["term"]) <= set(tiny_model.labels.names)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"terms": "T cell"}, TypeError, r"Use \['T cell'\]"),
        ({"terms": []}, ValueError, "`terms` is empty"),
        ({"terms": ["a", ""]}, ValueError, "an empty text"),
        ({"n_terms": 0}, ValueError, "at least 1, not 0"),
    ],
)
def test_arguments_that_cannot_be_meant(counts_adata, arguments, error, match):
    with pytest.raises(error, match=match):
        scmm.tl.rank_terms(counts_adata, **arguments)
