"""Pictures of ranked texts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl.pl._rank_terms import rank_terms_data


@pytest.fixture
def ranked(adata):
    long = "one that is worth $5 or $10 and has a name that no panel of this width could hold"
    ranking = pd.DataFrame(
        {
            "group": ["0"] * 3 + ["1"] * 3 + ["2"] * 3,
            "rank": [1, 2, 3] * 3,
            "term": ["T cell", long, "B cell", "B cell", "T cell", long, *["T cell"] * 3],
            "cl_id": ["CL:0000084", "", "CL:0000236", "CL:0000236", "CL:0000084", "", *[""] * 3],
            "score": [0.5, 0.2, -0.1, 0.6, 0.1, 0.0, *[np.nan] * 3],
        }
    )
    adata.uns["scmm_rank_terms"] = {"ranking": ranking}
    return adata


def test_best_texts_of_groups_that_have_scores(ranked):
    found = rank_terms_data(ranked, key="scmm_rank_terms", groups=None, n_terms=2)
    assert list(found) == ["0", "1"]
    assert found["1"]["term"].tolist() == ["B cell", "T cell"]


def test_panels_show_names_on_one_scale(ranked):
    first, second = scmm.pl.rank_terms(ranked, groups=["1", "0"], show=False)
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("1", "0")
    assert first.get_xlim() == second.get_xlim()
    assert [bar.get_width() for bar in second.patches] == [0.5, 0.2, -0.1]
    names = [text.get_text() for text in second.texts]
    assert names[::2] == ["T cell", "B cell"]
    assert names[1].startswith("one that is worth $5")
    assert names[1].endswith("…")
    # Text of the user's own is hollow.
    assert second.patches[1].get_facecolor()[3] == 0
    assert second.patches[0].get_facecolor()[3] == 1


def test_other_groups_are_refused(ranked):
    with pytest.raises(ValueError, match=r"No texts of a group '7' .* but of '0', '1'"):
        scmm.pl.rank_terms(ranked, groups="7", show=False)
    with pytest.raises(ValueError, match="rank_terms"):
        scmm.pl.rank_terms(ranked, key="nothing", show=False)
