"""Tokens are those of scanpy's normalisation, and of a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scanpy as sc
from anndata import AnnData
from scipy.sparse import csr_matrix, vstack

from scmmgpt_tl.model.encoders.scbert.tokenizer import ScBERTTokenizer


@pytest.fixture
def tokenizer():
    return ScBERTTokenizer(40, highest=5)


@pytest.fixture
def counts():
    """Eight cells x 40 genes; one without counts, one with values at the edges of bins."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.2, 30.0, (8, 40))).astype(np.float32)
    dense[2] = 0
    dense[5] = 0
    # Of 10,000 counts: log2(1 + x) is a whole number.
    dense[5, :7] = [1, 3, 7, 15, 31, 63, 9880]
    dense[6] = 0
    # The same at another depth, where most of the genes are far below their bins.
    dense[6, :8] = [2, 6, 14, 30, 62, 126, 5, 19755]
    return csr_matrix(dense)


def cells_of(tokens):
    return tokens.values.reshape(tokens.n_cells, -1).numpy()


def test_tokens_are_those_of_a_loop(tokenizer, counts):
    expected = np.zeros((8, 41))
    for cell, row in enumerate(counts.toarray().tolist()):
        for gene, count in enumerate(row):
            if count:
                share = count / sum(row) * 10_000
                # Not at an edge, where rounding decides, but for those that are exact.
                expected[cell, gene] = min(math.floor(math.log2(1 + share) + 1e-6), 5)
    for block in (counts, counts.astype(np.int64)):
        tokens = tokenizer(block)
        np.testing.assert_array_equal(cells_of(tokens), expected)
        np.testing.assert_array_equal(tokens.gene_ids.reshape(8, 41), [list(range(41))] * 8)
    assert cells_of(tokenizer(counts))[5, :7].tolist() == [1, 2, 3, 4, 5, 5, 5]


@pytest.mark.filterwarnings("ignore:Some cells have zero counts:UserWarning")
def test_tokens_are_those_of_scanpy(tokenizer):
    rng = np.random.default_rng(1)
    counts = csr_matrix(rng.poisson(rng.gamma(0.2, 30.0, (500, 40))).astype(np.float32))
    adata = AnnData(counts.copy())
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata, base=2)
    expected = np.minimum(adata.X.toarray(), 5).astype(np.int64)
    np.testing.assert_array_equal(cells_of(tokenizer(counts))[:, :40], expected)


def test_tokens_depend_on_the_cell_alone(tokenizer, counts):
    together = cells_of(tokenizer(counts))
    alone = np.concatenate([cells_of(tokenizer(counts[i])) for i in range(8)])
    np.testing.assert_array_equal(alone, together)
    backwards = vstack([counts[i] for i in range(8)][::-1], format="csr")
    np.testing.assert_array_equal(cells_of(tokenizer(backwards))[::-1], together)


def test_no_cells(tokenizer):
    assert tokenizer(csr_matrix((0, 40), dtype=np.float32)).n_cells == 0
