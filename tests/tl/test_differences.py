from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.sparse import csr_matrix

from scmmgpt_tl.tl._comparison.differences import (
    differing_genes,
    differing_sets,
    differing_shares,
    differing_texts,
)
from scmmgpt_tl.tl._comparison.two_groups import choose_units

CODE = np.repeat([0, 1], 40)
PAIRS = pd.Series(np.tile(np.repeat(["p", "q", "r", "s"], 10), 2))
BY_CELLS, BY_PAIRS = choose_units(None, CODE), choose_units(PAIRS, CODE)


@pytest.fixture
def counts():
    rate = np.ones((80, 30))
    rate[:40, :3] = 8
    rate[:, 29] = 0.01
    return csr_matrix(np.random.default_rng(0).poisson(rate).astype(np.float32))


def test_shares_over_cells():
    labels = np.array(["T"] * 30 + ["B"] * 10 + ["T"] * 10 + ["B"] * 30, dtype=object)
    found = differing_shares(labels, CODE, BY_CELLS).set_index("label")
    assert found.loc["T", ["share_a", "share_b", "difference"]].tolist() == [0.75, 0.25, 0.5]
    assert found.loc["T", "q"] == pytest.approx(stats.fisher_exact([[30, 10], [10, 30]]).pvalue)
    # Newcombe's interval from Wilson's, written out.
    z, p = stats.norm.ppf(0.975), np.array([0.75, 0.25])
    middle, half = p + z**2 / 80, z * np.sqrt(p * (1 - p) / 40 + z**2 / 6400)
    low, high = ((middle + sign * half) / (1 + z**2 / 40) for sign in (-1, 1))
    down, up = np.hypot(p[0] - low[0], high[1] - p[1]), np.hypot(high[0] - p[0], p[1] - low[1])
    assert found.loc["T", ["low", "high"]].tolist() == pytest.approx([0.5 - down, 0.5 + up])


def test_shares_over_pairs():
    labels = np.where(np.arange(80) % 10 < np.repeat([7, 6, 8, 7, 3, 1, 4, 3], 10), "T", "B")
    found = differing_shares(labels.astype(object), CODE, BY_PAIRS).set_index("label")
    test = stats.ttest_rel([0.7, 0.6, 0.8, 0.7], [0.3, 0.1, 0.4, 0.3])
    assert found.loc["T", "difference"] == pytest.approx(0.425)
    assert found.loc["T", "q"] == pytest.approx(test.pvalue)
    ends = test.confidence_interval(0.95)
    assert found.loc["T", ["low", "high"]].tolist() == pytest.approx([ends.low, ends.high])


def test_genes_over_cells(counts):
    names = [f"G{i}" for i in range(30)]
    found = differing_genes(counts, names, CODE, units=BY_CELLS).set_index("gene")
    # A gene that no tenth of the cells expresses is not asked about.
    assert "G29" not in found.index
    assert set(found.index[:3]) == {"G0", "G1", "G2"}
    assert (found["q"].iloc[:3] < 1e-6).all()
    per_10k = 1e4 * counts.toarray() / counts.toarray().sum(1, keepdims=True)
    fold = np.log2((per_10k[:40, 0].mean() + 0.1) / (per_10k[40:, 0].mean() + 0.1))
    assert found.loc["G0", "log2_fold"] == pytest.approx(fold, abs=1e-4)
    logs = np.log1p(per_10k)
    p = [
        stats.mannwhitneyu(logs[:40, i], logs[40:, i], use_continuity=False).pvalue
        for i in range(29)
    ]
    q = stats.false_discovery_control(p)
    np.testing.assert_allclose(found.loc[names[:29], "q"], q, rtol=1e-3)


def test_genes_over_pairs(counts):
    found = differing_genes(counts, [f"G{i}" for i in range(30)], CODE, units=BY_PAIRS)
    sums = counts.toarray().reshape(8, 10, 30).sum(1)
    logs = np.log2(1e6 * sums / sums.sum(1, keepdims=True) + 1)[:, :29]
    q = stats.false_discovery_control(stats.ttest_rel(logs[:4], logs[4:]).pvalue)
    own = found.set_index("gene").loc["G5"]
    assert own["q"] == pytest.approx(q[5])
    assert own["log2_fold"] == pytest.approx(logs[:4, 5].mean() - logs[4:, 5].mean(), abs=1e-4)
    assert set(found["gene"].iloc[:3]) == {"G0", "G1", "G2"}


def test_sets():
    genes = pd.DataFrame({"gene": [f"G{i}" for i in range(20)]})
    sets = {"mine": ["G0", "G1", "G2", "G9", "other"], "small": ["G0", "other"]}
    found = differing_sets(genes, sets, higher=["G0", "G1", "G2", "G3"])
    assert found["set"].tolist() == ["mine"]
    row = found.iloc[0]
    assert (row["n_set"], row["n_higher"], row["genes"]) == (4, 3, "G0, G1, G2")
    assert row["expected"] == pytest.approx(0.8)
    # Three or four of four drawn from twenty, four of which are in the set.
    assert row["q"] == pytest.approx((4 * 16 + 1) / 4845)
    assert differing_sets(genes, {}, higher=["G0"]).empty


def test_texts():
    rng = np.random.default_rng(0)
    cosine = rng.normal(scale=0.1, size=(80, 2))
    cosine[:40, 0] += 0.3
    found = differing_texts(cosine, ["first", "second"], CODE, units=BY_CELLS).set_index("text")
    test = stats.ttest_ind(cosine[:40], cosine[40:], equal_var=False)
    np.testing.assert_allclose(
        found.loc[["first", "second"], "q"], stats.false_discovery_control(test.pvalue)
    )
    spread = np.sqrt((cosine[:40, 0].var() + cosine[40:, 0].var()) / 2)
    effect = (cosine[:40, 0].mean() - cosine[40:, 0].mean()) / spread
    assert found.loc["first", "effect"] == pytest.approx(effect)


def test_what_never_varies_differs_in_nothing():
    found = differing_texts(np.ones((80, 1)), ["same"], CODE, units=BY_CELLS)
    assert found["q"].tolist() == [1.0]
    shares = differing_shares(np.array(["T"] * 80, dtype=object), CODE, BY_PAIRS)
    assert shares["q"].tolist() == [1.0]
