from __future__ import annotations

from math import log1p, sqrt

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, vstack

from scmmgpt_tl.model.config import EncoderConfig
from scmmgpt_tl.model.encoders import build_encoder
from scmmgpt_tl.model.encoders.geneset import GeneSetTokenizer

CONFIG = EncoderConfig(n_genes=60, width=24, n_blocks=2, n_states=3, state_width=8, dropout=0.5)


@pytest.fixture(scope="module")
def encoder():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = build_encoder(CONFIG).eval()
        # Both start from values that would hide what they do.
        torch.nn.init.normal_(encoder.panel.weight, std=0.2)
        encoder.average.copy_(torch.rand(60) / 30)
    return encoder


@pytest.fixture(scope="module")
def measured():
    """Which of the genes the data set measured."""
    return torch.arange(60) % 5 != 0


@pytest.fixture(scope="module")
def tokenizer():
    return GeneSetTokenizer()


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.3, 2.0, (7, 60))).astype(np.float32)
    dense[3] = 0
    return csr_matrix(dense)


def encode(encoder, tokenizer, rows, measured=None):
    measured = torch.ones(60) if measured is None else measured
    with torch.inference_mode():
        return encoder(tokenizer(rows), measured)[0]


def test_tokens_are_what_a_cell_at_a_time_gives(tokenizer, counts):
    tokens = tokenizer(counts)
    assert tokens.n_cells == 7
    for i, cell in enumerate(counts.toarray()):
        expressed = [gene for gene in range(60) if cell[gene] > 0]
        logged = [log1p(1e4 * float(cell[g]) / float(cell.sum())) for g in expressed]
        length = sqrt(sum(v * v for v in logged))
        own = slice(int(tokens.offsets[i]), int(tokens.offsets[i + 1]))
        assert tokens.gene_ids[own].tolist() == expressed
        np.testing.assert_allclose(tokens.values[own], [v / length for v in logged], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint16])
def test_tokens_have_one_type_whatever_the_counts(tokenizer, counts, dtype):
    tokens = tokenizer(counts.astype(dtype))
    assert (tokens.gene_ids.dtype, tokens.values.dtype) == (torch.int64, torch.float32)
    assert torch.equal(tokens.values, tokenizer(counts).values)


def test_tokenizer_leaves_the_counts_alone(tokenizer, counts):
    before = counts.copy()
    tokenizer(counts)
    assert (counts != before).nnz == 0


def test_depth_does_not_matter_where_all_is_scaled(tokenizer, counts):
    np.testing.assert_allclose(tokenizer(counts * 3).values, tokenizer(counts).values, rtol=1e-6)


def test_sum_over_genes_equals_the_matrix_product(encoder, tokenizer, counts, measured):
    tokens = tokenizer(counts)
    dense = np.zeros(counts.shape, dtype=np.float32)
    cell = np.repeat(np.arange(7), np.diff(tokens.offsets))
    dense[cell, tokens.gene_ids] = tokens.values
    with torch.inference_mode():
        product, _ = encoder.forward_dense(torch.from_numpy(dense), measured.expand(7, -1))
    sums = encode(encoder, tokenizer, counts, measured)
    assert (sums - product).abs().max() < 1e-6


def test_average_cell_is_tokenised_like_a_cell(encoder, tokenizer, measured):
    shares = csr_matrix((encoder.average * measured).numpy()[None])
    tokens = tokenizer(shares[:, shares.indices])
    found = encoder.average_cell(measured)
    assert not found[~measured].any()
    np.testing.assert_allclose(found[measured], tokens.values, rtol=1e-5)


def test_cells_are_seen_against_their_panel(encoder, tokenizer, counts, measured):
    everywhere = encode(encoder, tokenizer, counts)
    panel = encode(encoder, tokenizer, counts, measured)
    assert (everywhere - panel).abs().amax((1, 2)).min() > 1e-3


def test_panels_may_differ_from_cell_to_cell(encoder, measured):
    values = torch.rand(2, 60)
    panels = torch.stack([measured, ~measured])
    with torch.inference_mode():
        together = encoder.forward_dense(values, panels)[0]
        alone = [encoder.forward_dense(values[i : i + 1], panels[i])[0] for i in range(2)]
    assert (together - torch.cat(alone)).abs().max() < 1e-5


def test_an_empty_panel_is_finite(encoder, tokenizer, counts):
    assert encode(encoder, tokenizer, counts, torch.zeros(60)).isfinite().all()


def test_a_new_encoder_makes_nothing_of_the_panel(tokenizer, counts, measured):
    fresh = build_encoder(CONFIG).eval()
    assert torch.equal(encode(fresh, tokenizer, counts), encode(fresh, tokenizer, counts, measured))


def test_shapes_and_mask(encoder, tokenizer, counts):
    states, mask = encoder(tokenizer(counts), torch.ones(60))
    assert states.shape == (7, 3, 8)
    assert (mask.shape, mask.dtype) == ((7, 3), torch.bool)
    assert mask.all()


def test_a_cell_without_counts_is_finite(encoder, tokenizer, counts):
    assert encode(encoder, tokenizer, counts)[3].isfinite().all()


def test_no_cells(encoder, tokenizer):
    assert encode(encoder, tokenizer, csr_matrix((0, 60), dtype=np.float32)).shape == (0, 3, 8)


def test_a_cell_is_the_same_in_any_company(encoder, tokenizer, counts):
    together = encode(encoder, tokenizer, counts)
    alone = torch.cat([encode(encoder, tokenizer, counts[i]) for i in range(7)])
    deep = csr_matrix(np.full((1, 60), 9999, dtype=np.float32))
    beside = encode(encoder, tokenizer, vstack([deep, counts], format="csr"))[1:]
    assert (together - alone).abs().max() < 1e-5
    assert (together - beside).abs().max() < 1e-5


def test_order_of_cells_does_not_matter(encoder, tokenizer, counts):
    order = np.random.default_rng(1).permutation(7)
    shuffled = encode(encoder, tokenizer, counts[order])
    assert (shuffled - encode(encoder, tokenizer, counts)[order]).abs().max() < 1e-5


def test_dropout_acts_in_training_only(encoder, tokenizer, counts):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trained = build_encoder(CONFIG).train()
        first, second = (encode(trained, tokenizer, counts) for _ in range(2))
    assert not torch.equal(first, second)
    first, second = (encode(encoder, tokenizer, counts) for _ in range(2))
    assert torch.equal(first, second)


def test_unknown_kind_is_named():
    with pytest.raises(ValueError, match=r"`encoder.kind` is 'scgpt'; this .* knows 'geneset'"):
        build_encoder(EncoderConfig(kind="scgpt"))
