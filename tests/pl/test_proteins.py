"""Heat map of labels and proteins."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import scmmgpt_tl as scmm
from scmmgpt_tl.pl._proteins import proteins_data

KEY, CD4 = "scmm_cell_type_protein", "CD4-positive, alpha-beta T cell"


@pytest.fixture
def asked(cite_adata):
    # Of the 20 cells that are called CD4-positive, 10 are: four fewer, and most are not.
    frame = cite_adata.obsm["protein_expression"]
    frame.loc[frame.index[6:10], "CD4_TotalSeqB"] = 5
    scmm.tl.proteins(cite_adata)
    return cite_adata


def test_share_of_positive_cells_and_what_is_expected(asked):
    shown = proteins_data(asked, key=KEY)
    assert shown.share.loc[CD4, "CD3_TotalSeqB"] == pytest.approx(1, abs=1e-3)
    assert shown.share.loc[CD4, "CD4_TotalSeqB"] == pytest.approx(0.3, abs=1e-3)
    assert shown.expected.loc[CD4, "CD4_TotalSeqB"] == 1
    assert shown.expected.loc["B cell", "CD3_TotalSeqB"] == -1
    assert shown.n_cells[CD4] == 20
    assert shown.disagrees[CD4] == (asked.obs[KEY] == "disagrees").sum()
    odd = shown.odd.stack()
    assert list(odd[odd].index) == [(CD4, "CD4_TotalSeqB")]


def test_picture(asked):
    ax = scmm.pl.proteins(asked, show=False)
    assert isinstance(ax, Axes)
    assert len(ax.patches) == 1
    shown = proteins_data(asked, key=KEY)
    names = [text.get_text() for text in ax.get_xticklabels()]
    assert names == [name.removesuffix("_TotalSeqB") for name in shown.share]
    signs = np.array([text.get_text() for text in ax.texts]).reshape(shown.share.shape)
    assert (signs[shown.expected.to_numpy() == 1] == "+").all()
    assert (signs[shown.expected.to_numpy() == 0] == "").all()
    rows = [text.get_text().replace("\n", " ") for text in ax.get_yticklabels()]
    assert any(row.startswith(CD4) and "(20; " in row for row in rows)
    assert isinstance(scmm.pl.proteins(asked, return_fig=True), Figure)


def test_nothing_to_draw(cite_adata):
    with pytest.raises(ValueError, match="Run `scmm.tl.proteins` first"):
        scmm.pl.proteins(cite_adata)
    few = cite_adata[:40].copy()
    scmm.tl.proteins(few)
    with pytest.raises(ValueError, match="No antibody parts the cells"):
        scmm.pl.proteins(few)
