"""Tokens are those of a loop over cells and genes."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack

from scmmgpt_tl.model.encoders.scgpt.tokenizer import ScGPTTokenizer
from scmmgpt_tl.model.seeded import seeded_uniforms

CLS = 500


@pytest.fixture
def tokenizer():
    return ScGPTTokenizer(np.arange(80)[::-1] + 7, CLS, -2.0, n_bins=11, max_length=41)


@pytest.fixture
def counts():
    """Nine cells x 80 genes, one without counts, one with a single gene, one with all."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.4, 4.0, (9, 80))).astype(np.float32)
    dense[2], dense[4, 1:], dense[4, 0] = 0, 0, 3
    dense[5] += 1
    dense[7] *= 0.37
    return csr_matrix(dense)


def cells_of(tokens):
    """Pairs of token and value of each cell."""
    pairs = list(zip(tokens.gene_ids.tolist(), tokens.values.tolist(), strict=True))
    stops = tokens.offsets.tolist()
    return [pairs[a:b] for a, b in itertools.pairwise(stops)]


def bins_by_hand(values, uniforms, *, n_bins):
    """Bins of the non-zero counts of a cell, one after the other."""
    if not len(values):
        return []
    edges = np.quantile(values, np.linspace(0, 1, n_bins - 1))
    found = []
    for value, uniform in zip(values, uniforms, strict=True):
        low = sum(edge < value for edge in edges)
        high = sum(edge <= value for edge in edges)
        found.append(ceil(uniform * (low - high) + high))
    return found


def by_hand(tokenizer, counts, draw):
    found = []
    for i, cell in enumerate(counts.toarray()):
        genes = np.flatnonzero(cell)
        bins = bins_by_hand(cell[genes], draw(i, len(genes)), n_bins=tokenizer.n_bins)
        ids = [int(tokenizer.token_ids[gene]) for gene in genes]
        found.append([(CLS, -2.0), *zip(ids, map(float, bins), strict=True)])
    return found


@pytest.fixture
def roomy(tokenizer):
    """Tokenizer that leaves no gene out."""
    return replace(tokenizer, max_length=200)


def test_bins_are_those_of_a_loop(roomy, counts):
    uniforms = seeded_uniforms(counts, n=1)[0]

    def draw(i, _):
        return uniforms[counts.indptr[i] : counts.indptr[i + 1]]

    assert cells_of(roomy(counts)) == by_hand(roomy, counts, draw)


def test_published_draws(roomy, counts):
    """What the original draws from numpy's global state, cell after cell."""
    chance = np.random.RandomState(3)
    expected = by_hand(roomy, counts, lambda _, n: chance.rand(n))
    drawn = replace(roomy, ties="drawn", rng=np.random.RandomState(3))
    assert cells_of(drawn(counts)) == expected


def test_mean_is_what_draws_give_on_average(roomy, counts):
    drawn = replace(roomy, ties="drawn", rng=np.random.default_rng(0))
    mean = np.mean([drawn(counts).values.numpy() for _ in range(3000)], axis=0)
    np.testing.assert_allclose(replace(roomy, ties="mean")(counts).values, mean, atol=0.25)


def test_seeded_bins_are_spread_like_drawn_ones(roomy):
    # One gene expressed alike in each of many cells of different counts: its bins are uniform.
    rng = np.random.default_rng(0)
    counts = np.ones((4000, 30), dtype=np.float32)
    counts[:, 20:] = rng.integers(2, 60, (4000, 10))
    values = roomy(csr_matrix(counts)).values.reshape(4000, 31)[:, 1].numpy()
    shares = np.bincount(values.astype(int))[1:] / 4000
    assert len(shares) > 3
    np.testing.assert_allclose(shares, 1 / len(shares), atol=0.03)


def test_long_cells_keep_a_sample_that_is_their_own(tokenizer, counts):
    full, cut = cells_of(replace(tokenizer, max_length=200)(counts)), cells_of(tokenizer(counts))
    assert max(map(len, full)) > 41
    for before, after in zip(full, cut, strict=True):
        assert len(after) == min(len(before), 41)
        assert after[0] == (CLS, -2.0)
        assert set(after) <= set(before)
    # Not the first and not the highest: every gene has its chance.
    long = csr_matrix(np.random.default_rng(0).integers(1, 9, (3000, 80)).astype(np.float32))
    kept = np.bincount(tokenizer(long).gene_ids, minlength=CLS)[7:87] / 3000
    np.testing.assert_allclose(kept, 0.5, atol=0.05)


def test_top_expressed_genes(tokenizer, counts):
    tokens = replace(tokenizer, longer="top", values="counts")(counts)
    cell = counts.toarray()[5]
    order = sorted(range(80), key=lambda gene: (-cell[gene], gene))[:40]
    expected = [(int(tokenizer.token_ids[g]), float(cell[g])) for g in sorted(order)]
    assert cells_of(tokens)[5] == [(CLS, -2.0), *expected]


def test_drawn_sample(tokenizer, counts):
    drawn = replace(tokenizer, longer="drawn", rng=np.random.default_rng(0))
    first, second = drawn(counts), drawn(counts)
    assert first.offsets.tolist() == second.offsets.tolist()
    assert first.gene_ids.tolist() != second.gene_ids.tolist()


@pytest.mark.parametrize("ties", ["seeded", "mean"])
def test_tokens_depend_on_the_cell_alone(tokenizer, counts, ties):
    tokenizer = replace(tokenizer, ties=ties)
    together = cells_of(tokenizer(counts))
    alone = [cells_of(tokenizer(counts[i]))[0] for i in range(9)]
    backwards = cells_of(tokenizer(vstack([counts[i] for i in range(9)][::-1], format="csr")))
    assert together == alone == backwards[::-1]
    assert cells_of(tokenizer(counts.astype(np.float64))) == together


def test_chance_is_uniform_and_of_each_purpose_alone(counts):
    long = csr_matrix(np.random.default_rng(0).integers(1, 9, (500, 80)).astype(np.float32))
    first, second = seeded_uniforms(long, n=2)
    for found in (first, second):
        assert found.min() >= 0
        assert found.max() < 1
        np.testing.assert_allclose(np.histogram(found, 10, (0, 1))[0] / found.size, 0.1, atol=0.01)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    # Neighbours in a cell, and the same gene of cells, have nothing to do with each other.
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.02
    assert abs(np.corrcoef(first[:-80], first[80:])[0, 1]) < 0.02
    assert (seeded_uniforms(counts, n=1)[0] == seeded_uniforms(counts, n=2)[0]).all()


def test_no_cells(tokenizer):
    assert tokenizer(csr_matrix((0, 80), dtype=np.float32)).n_cells == 0


def test_nobody_elses_chance_is_used(tokenizer, counts):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    tokenizer(counts)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"ties": "random"}, "`ties` must be one of drawn, mean, seeded, found 'random'"),
        ({"longer": "first"}, "`longer` must be one of drawn, seeded, top"),
        ({"values": "log"}, "`values` must be one of binned, counts"),
        ({"longer": "drawn"}, "needs `rng`"),
        ({"max_length": 1}, "too small"),
    ],
)
def test_options_that_cannot_be_meant(tokenizer, options, match):
    with pytest.raises(ValueError, match=match):
        replace(tokenizer, **options)
