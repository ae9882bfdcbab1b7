"""Tokens are those of a loop over cells and genes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack

from scmmgpt_tl.model.rank_tokenizer import RankTokenizer, falling


@pytest.fixture(params=[1, 2], ids=["V1", "V2"])
def tokenizer(request):
    medians = np.random.default_rng(1).gamma(2.0, size=80)
    medians[[3, 4, 60]] = 1.0
    cls, eos = (2, 3) if request.param == 2 else (None, None)
    return RankTokenizer(np.arange(80)[::-1] + 4, medians, cls, eos, max_length=30)


@pytest.fixture
def counts():
    """Seven cells x 80 genes, one without counts, one with all genes, one with equals."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.2, 3.0, (7, 80))).astype(np.float32)
    dense[2] = 0
    dense[5] += 1
    dense[6] = 0
    dense[6, [3, 4, 60]] = 2
    return csr_matrix(dense)


def cells_of(tokens):
    ids, stops = tokens.gene_ids.tolist(), tokens.offsets.tolist()
    return [ids[a:b] for a, b in pairwise(stops)]


def by_hand(tokenizer, counts):
    room = tokenizer.max_length - (2 if tokenizer.cls is not None else 0)
    found = []
    for cell in counts.toarray():
        total = sum(map(float, cell))
        ranked = []
        for gene, count in enumerate(cell):
            if count > 0:
                value = float(count) / total * 10_000 / float(tokenizer.medians[gene])
                ranked.append((-value, int(tokenizer.token_ids[gene])))
        genes = [token for _, token in sorted(ranked)][:room]
        found.append([2, *genes, 3] if tokenizer.cls is not None else genes)
    return found


def test_tokens_are_those_of_a_loop(tokenizer, counts):
    assert cells_of(tokenizer(counts)) == by_hand(tokenizer, counts)
    assert cells_of(tokenizer(counts.astype(np.int64))) == by_hand(tokenizer, counts)


def test_values_fall(tokenizer, counts):
    tokens = tokenizer(counts)
    special = np.isin(tokens.gene_ids, [2, 3])
    assert not tokens.values[special].any()
    own = slice(int(tokens.offsets[5]), int(tokens.offsets[6]))
    assert (np.diff(tokens.values[own][~special[own]]) <= 0).all()


def test_tokens_depend_on_the_cell_alone(tokenizer, counts):
    together = cells_of(tokenizer(counts))
    assert [cells_of(tokenizer(counts[i]))[0] for i in range(7)] == together
    backwards = vstack([counts[i] for i in range(7)][::-1], format="csr")
    assert cells_of(tokenizer(backwards))[::-1] == together


def test_depth_does_not_matter(tokenizer, counts):
    assert cells_of(tokenizer(counts * 4)) == cells_of(tokenizer(counts))


def test_no_cells(tokenizer):
    assert tokenizer(csr_matrix((0, 80), dtype=np.float32)).n_cells == 0


def test_there_must_be_room_for_a_gene(tokenizer):
    with pytest.raises(ValueError, match="`max_length` is too small for a gene"):
        replace(tokenizer, max_length=2 if tokenizer.cls else 0)


@pytest.mark.parametrize("spread", [0, 1e-9, 1e-6, 1.0])
def test_order_is_exact_where_rounding_makes_values_equal(spread):
    rng = np.random.default_rng(0)
    indptr = np.array([0, 0, 300, 301, 700, 700])
    values = rng.integers(1, 4, 700) + spread * rng.random(700)
    tokens = rng.permutation(700)
    cell = np.repeat(np.arange(5), np.diff(indptr))
    expected = np.lexsort((tokens, -values, cell))
    found = falling(values, np.arange(700), indptr, token_ids=tokens)
    assert found.tolist() == expected.tolist()
