"""Pictures of labels that were transferred."""

from __future__ import annotations

import pandas as pd
import pytest

from scmmgpt_tl import pl
from scmmgpt_tl.pl._label_transfer import label_transfer_data

KEY = "scmm_cell_type"


@pytest.fixture
def transferred(adata):
    adata.uns[KEY]["reference"] = pd.DataFrame(
        {"label": ["T cell", "B cell", "mast cell"], "cl_id": ["", "", ""], "n_cells": [30, 10, 60]}
    )
    # The commonest label first, one that no cell got, and a reason.
    adata.obs[KEY] = pd.Categorical(["T cell"] * 10 + ["B cell"] * 26 + ["unknown"] * 4)
    adata.obs[f"{KEY}_reason"] = pd.Categorical(["ok"] * 36 + ["not in the reference"] * 4)
    return adata


def test_labels_and_then_reasons(transferred):
    data = label_transfer_data(transferred, key=KEY)
    assert data["label"].tolist() == ["B cell", "T cell", "mast cell", "not in the reference"]
    assert data["reference"].tolist() == pytest.approx([0.1, 0.3, 0.6, 0])
    assert data["query"].tolist() == pytest.approx([0.65, 0.25, 0, 0.1])


def test_bars(transferred):
    ax = pl.label_transfer(transferred, key=KEY, show=False)
    reference, query = ax.containers[:2]
    assert [bar.get_width() for bar in reference] == pytest.approx([0.1, 0.3, 0.6])
    assert [bar.get_width() for bar in query] == pytest.approx([0.65, 0.25, 0, 0.1])
    styles = [text.get_style() for text in ax.get_yticklabels()]
    assert styles == ["normal", "normal", "normal", "italic"]


def test_labels_that_were_not_transferred(adata):
    with pytest.raises(ValueError, match=r"Run `scmm.tl.label_transfer` first"):
        pl.label_transfer(adata, key=KEY)
