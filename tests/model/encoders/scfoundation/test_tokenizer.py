"""Tokens are those of a loop over cells and genes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack

from scmmgpt_tl.model.encoders.scfoundation.tokenizer import ScFoundationTokenizer


@pytest.fixture
def tokenizer():
    return ScFoundationTokenizer(80)


@pytest.fixture
def counts():
    """Six cells x 80 genes, one without counts, one with a single one, one with all genes."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.2, 3.0, (6, 80))).astype(np.float32)
    dense[2] = 0
    dense[3] = 0
    dense[3, 17] = 1
    dense[5] += 1
    return csr_matrix(dense)


def cells_of(tokens):
    lengths = tokens.lengths.tolist()
    pairs = zip(tokens.gene_ids.split(lengths), tokens.values.split(lengths), strict=True)
    return [(ids.tolist(), values.tolist()) for ids, values in pairs]


def by_hand(counts, depth):
    found = []
    for cell in counts.toarray().tolist():
        total = sum(cell)
        source = math.log10(max(total, 1))
        number = float(depth[1:])
        target = {"t": number, "f": source + math.log10(number or 1), "a": source + number}
        genes = [i for i, count in enumerate(cell) if count]
        values = [math.log1p(cell[i] / total * 1e4) for i in genes]
        found.append(([*genes, 80, 81], [*values, target[depth[0]], source]))
    return found


@pytest.mark.parametrize("depth", ["t4", "t4.5", "f2", "a1", "a0"])
def test_tokens_are_those_of_a_loop(tokenizer, counts, depth):
    tokenizer = replace(tokenizer, depth=depth)
    for block in (counts, counts.astype(np.int64)):
        for ours, theirs in zip(cells_of(tokenizer(block)), by_hand(counts, depth), strict=True):
            assert ours[0] == theirs[0]
            np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-6)


def test_tokens_depend_on_the_cell_alone(tokenizer, counts):
    together = cells_of(tokenizer(counts))
    assert [cells_of(tokenizer(counts[i]))[0] for i in range(6)] == together
    backwards = vstack([counts[i] for i in range(6)][::-1], format="csr")
    assert cells_of(tokenizer(backwards))[::-1] == together


def test_no_cells(tokenizer):
    assert tokenizer(csr_matrix((0, 80), dtype=np.float32)).n_cells == 0


@pytest.mark.parametrize("depth", ["4", "x4", "t", "t0", "f0", "t-4", 4.5])
def test_depths_that_cannot_be_meant(tokenizer, depth):
    with pytest.raises(ValueError, match="`depth` must be 't', 'f' or 'a' and a number"):
        replace(tokenizer, depth=depth)
