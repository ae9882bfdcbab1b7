"""Heat map of groups and labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmmgpt_tl import pl
from scmmgpt_tl.pl._scores import along_diagonal, scores_data

KEY = "scmm_cell_type"


def test_mean_of_each_group(adata):
    frame = scores_data(adata, "group", key=KEY, n_labels=4)
    p = adata.obsm[f"{KEY}_scores"]
    for group in frame.index:
        expected = p[(adata.obs["group"] == group).to_numpy()].mean()
        np.testing.assert_allclose(frame.loc[group], expected[frame.columns], rtol=1e-5)


def test_best_labels_lie_on_a_diagonal(adata):
    frame = scores_data(adata, "group", key=KEY, n_labels=4)
    best = frame.to_numpy().argmax(axis=1)
    assert (np.diff(best) >= 0).all()
    assert list(frame.columns[:3]) == ["T cell", "B cell", "CD4-positive, alpha-beta T cell"]


def test_best_of_every_group_is_drawn_whatever_the_number():
    mean = pd.DataFrame(np.eye(5) + 0.1, index=list("abcde"), columns=list("ABCDE"))
    assert along_diagonal(mean, n_labels=2).shape == (5, 5)
    assert next(iter(along_diagonal(mean.iloc[:1], n_labels=2).columns)) == "A"


def test_groups_without_cells_and_cells_without_group(adata):
    group = adata.obs["group"].cat.add_categories("empty")
    group.iloc[0] = np.nan
    adata.obs["group"] = group
    assert "empty" not in scores_data(adata, "group", key=KEY, n_labels=4).index


def test_numbers_as_groups(adata):
    adata.obs["number"] = np.repeat([1, 2], 20)
    assert sorted(scores_data(adata, "number", key=KEY, n_labels=4).index) == ["1", "2"]


def test_frames_stand_around_the_best(adata):
    ax = pl.scores(adata, "group", show=False)
    frame = scores_data(adata, "group", key=KEY, n_labels=12)
    framed = [(patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in ax.patches]
    assert framed == [(column, row) for row, column in enumerate(frame.to_numpy().argmax(axis=1))]
    assert [text.get_text() for text in ax.get_yticklabels()] == [f"{g} (10)" for g in frame.index]


def test_missing_column(adata):
    with pytest.raises(ValueError, match=r"adata.obs\['nothing'\]"):
        pl.scores(adata, "nothing")


def test_missing_annotation(adata):
    with pytest.raises(ValueError, match=r"Run `scmm.tl.annotate` first"):
        pl.scores(adata, "group", key="other")
