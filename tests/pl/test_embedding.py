"""Cells on an embedding."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from scmmgpt_tl import pl
from scmmgpt_tl.pl._embedding import embedding_data
from scmmgpt_tl.pl._figure import PALETTE, UNKNOWN

KEY = "scmm_cell_type"


def data(adata, **kwargs) -> pd.DataFrame:
    return embedding_data(adata, "X_umap", **{"key": KEY, "n_labels": 12} | kwargs)


def test_one_row_per_cell_in_order(adata):
    frame = data(adata)
    assert list(frame.index) == list(adata.obs_names)
    np.testing.assert_array_equal(frame[["x", "y"]], adata.obsm["X_umap"])
    np.testing.assert_array_equal(frame["score"], adata.obs[f"{KEY}_score"])
    assert list(frame["label"].astype(str)) == list(adata.obs[KEY].astype(str))


def test_labels_from_the_commonest_to_the_rarest(adata):
    counts = adata.obs[KEY].value_counts().drop("unknown")
    categories = list(data(adata)["label"].cat.categories)
    assert categories[-1] == "unknown"
    assert counts[categories[:-1]].is_monotonic_decreasing


def test_rare_labels_become_others(adata):
    frame = data(adata, n_labels=1)
    common = adata.obs[KEY].value_counts().drop("unknown").idxmax()
    assert list(frame["label"].cat.categories) == [common, "others", "unknown"]
    assert (frame["label"] == "unknown").sum() == 2
    assert (frame["label"] == common).sum() == (adata.obs[KEY] == common).sum()


def test_single_rest_keeps_its_name(adata):
    labels = [name for name in adata.obs[KEY].cat.categories if name != "unknown"]
    assert "others" not in data(adata, n_labels=len(labels) - 1)["label"].cat.categories


def test_repeated_cell_names(adata):
    adata.obs_names = ["same"] * adata.n_obs
    assert len(pl.embedding(adata, show=False)) == 2


def test_panels(adata):
    label, score = pl.embedding(adata, show=False)
    assert (label.get_title(), score.get_title()) == ("cell type", "confidence")
    assert pl.embedding(adata, panel="score", show=False).get_title() == "confidence"


def test_colours_of_the_points(adata):
    ax = pl.embedding(adata, panel="label", show=False)
    drawn = [tuple(row) for points in ax.collections for row in points.get_facecolors()]
    counts = adata.obs[KEY].value_counts()
    assert drawn.count(to_rgba(UNKNOWN)) == counts["unknown"]
    assert drawn.count(to_rgba(PALETTE[0])) == counts.drop("unknown").max()


def test_legend_counts_cells(adata):
    ax = pl.embedding(adata, panel="label", show=False)
    texts = " ".join(text.get_text() for text in ax.get_legend().get_texts())
    assert "unknown (2)" in texts.replace("\n", " ")


def test_nothing_but_unknown(adata):
    adata.obs[KEY] = pd.Categorical(["unknown"] * adata.n_obs)
    adata.obs[f"{KEY}_score"] = np.float32(np.nan)
    label, _ = pl.embedding(adata, show=False)
    assert not label.texts


def test_axes_are_for_one_panel(adata):
    import matplotlib.pyplot as plt

    with pytest.raises(ValueError, match="`ax` takes one panel"):
        pl.embedding(adata, ax=plt.gca())


def test_missing_embedding(adata):
    with pytest.raises(ValueError, match=r"X_tsne.*Run `sc.tl.tsne` first"):
        pl.embedding(adata, "X_tsne")
    with pytest.raises(ValueError, match=r"X_other.*Pass `basis` as one of them"):
        pl.embedding(adata, "X_other")


def test_missing_annotation(adata):
    with pytest.raises(ValueError, match=r"Run `scmm.tl.annotate` first"):
        pl.embedding(adata, key="other")
