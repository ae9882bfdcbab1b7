"""The kernel that scores sets of genes, beside decoupler."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from scmmgpt_tl.tl._genes.score_sets import score_sets


@pytest.fixture
def counts():
    return csr_matrix(np.random.default_rng(0).poisson(0.8, (7, 30)).astype(np.float32))


def test_it_is_decouplers_linear_model(counts):
    dc = pytest.importorskip("decoupler")
    rng = np.random.default_rng(1)
    weights = np.zeros((30, 2))
    weights[:5, 0] = 1
    weights[3:12, 1] = rng.normal(size=9)
    measured = np.ones(30, dtype=bool)
    measured[20:24] = False
    total = counts.toarray().sum(1, keepdims=True)
    names = [f"g{i}" for i in range(30)]
    frame = pd.DataFrame(np.log1p(1e4 * counts.toarray() / total), columns=names).iloc[:, measured]
    frame.index = frame.index.astype(str)
    edges = [("ab"[s], names[g], weights[g, s]) for g, s in zip(*np.nonzero(weights), strict=True)]
    network = pd.DataFrame(edges, columns=["source", "target", "weight"])
    expected, _ = dc.mt.ulm(data=frame, net=network, tmin=1, empty=False, verbose=False)
    np.testing.assert_allclose(score_sets(counts, weights, measured), expected, rtol=1e-4)


def test_a_cell_keeps_its_score_in_any_company(counts):
    weights, measured = np.eye(30)[:, :3], np.ones(30, dtype=bool)
    np.testing.assert_array_equal(
        score_sets(counts, weights, measured)[2:4], score_sets(counts[2:4], weights, measured)
    )


def test_nothing_to_tell_apart_is_zero(counts):
    counts = counts.tolil()
    counts[0] = 0
    counts[1] = 3
    weights = np.ones((30, 1))
    found = score_sets(counts.tocsr(), weights, np.ones(30, dtype=bool))
    assert not found.any(), "a set of all genes, an empty cell and an even one say nothing"
    one = score_sets(counts.tocsr(), np.eye(30)[:, :1], np.ones(30, dtype=bool))
    assert not one[:2].any()
    assert np.isfinite(one).all()
