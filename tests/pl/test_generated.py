"""Generated cells beside real ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from scmmgpt_tl import pl
from scmmgpt_tl.pl._generated import generated_data

GENES = [f"G{i}" for i in range(20)]


def cells(kinds: list[str], *, seed: int) -> AnnData:
    """Ten cells of each kind; `a`, `b` and `c` express different genes."""
    rng = np.random.default_rng(seed)
    rate = np.ones((len(kinds) * 10, 20))
    for i, kind in enumerate(np.repeat(kinds, 10)):
        rate[i, 5 * "abc".index(kind[-1]) : 5 * "abc".index(kind[-1]) + 5] += 30
    names = [f"c{i}" for i in range(len(rate))]
    return AnnData(
        csr_matrix(rng.poisson(rate).astype(np.float32)),
        obs=pd.DataFrame({"type": np.repeat(kinds, 10)}, index=names),
        var=pd.DataFrame(index=GENES),
    )


@pytest.fixture
def real() -> AnnData:
    return cells(["a", "CL:b", "c"], seed=0)


@pytest.fixture
def made() -> AnnData:
    adata = cells(["a", "b"], seed=1)[:, ::-1].copy()
    adata.obs["scmm_prompt"] = pd.Categorical(np.repeat(["a", "text of b $1"], 10))
    adata.obs["scmm_prompt_cl"] = pd.Categorical(np.repeat(["", "CL:b"], 10))
    return adata


def test_kinds_lie_where_their_real_cells_lie(made, real):
    data = generated_data(made, real, "type", key="scmm_prompt", layer=None)
    assert list(data["source"]) == ["real"] * 30 + ["generated"] * 20
    middle = data.groupby(["kind", "source"], observed=True)[["x", "y"]].mean()
    for kind in ("a", "text of b $1"):
        gap = np.linalg.norm(middle.loc[(kind, "real")] - middle.loc[(kind, "generated")])
        others = middle.drop(kind, level="kind") - middle.loc[(kind, "real")]
        assert gap < 0.3 * np.linalg.norm(others, axis=1).min()


def test_groups_are_called_by_their_text(made, real):
    data = generated_data(made, real, "type", key="scmm_prompt", layer=None)
    assert list(data["kind"].cat.categories) == ["a", "text of b $1", "c"]


def test_layer_is_what_is_read(made, real):
    real.layers["counts"] = real.X.copy()
    expected = generated_data(made, real, "type", key="scmm_prompt", layer=None)
    real.X = np.full(real.shape, 7.0)
    found = generated_data(made, real, "type", key="scmm_prompt", layer="counts")
    pd.testing.assert_frame_equal(found, expected)


def test_two_panels_with_the_same_limits(made, real):
    left, right = pl.generated(made, real, "type", show=False)
    assert (left.get_title(), right.get_title()) == ("real", "generated")
    assert left.get_xlim() == right.get_xlim()
    grey, coloured = right.collections
    assert (len(grey.get_offsets()), len(coloured.get_offsets())) == (30, 20)
    texts = [text.get_text() for text in right.get_legend().get_texts()]
    assert texts == ["a (10 | 10)", "text of b $1 (10 | 10)", "c (10 | 0)"]


def test_return_fig(made, real):
    assert len(pl.generated(made, real, "type", return_fig=True).axes) == 2


def test_missing_parts(made, real):
    with pytest.raises(ValueError, match=r"Did not find `real.obs\['other'\]`"):
        pl.generated(made, real, "other")
    with pytest.raises(ValueError, match=r"Pass cells made by `scmm.tl.generate`"):
        pl.generated(real, real, "type")
    with pytest.raises(ValueError, match=r"Did not find `real.layers\['counts'\]`"):
        pl.generated(made, real, "type", layer="counts")
    with pytest.raises(ValueError, match=r"share 2 genes; 3 are needed"):
        pl.generated(made[:, :2].copy(), real, "type")
