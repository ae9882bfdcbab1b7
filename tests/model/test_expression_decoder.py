from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from scmmgpt_tl.model.config import ExpressionConfig
from scmmgpt_tl.model.expression_decoder import ExpressionDecoder


@pytest.fixture
def decoder():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = ExpressionDecoder(
            ExpressionConfig(width=8, n_heads=2), gene_width=6, text_width=5
        )
    return decoder.eval().requires_grad_(requires_grad=False)


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    genes = torch.randn(11, 6, generator=generator)
    words = torch.randn(3, 4, 5, generator=generator)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])
    return genes, words, mask


def affine(layer, x):
    return x @ layer.weight.numpy().T + layer.bias.numpy()


def standardise(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def gelu(x):
    from scipy.special import erf

    return x * (1 + erf(x / np.sqrt(2))) / 2


def test_is_attention_of_genes_to_words(decoder, inputs):
    genes, words, mask = (part.numpy() for part in inputs)
    query = affine(decoder.gene_query, standardise(genes))
    expected = np.empty((3, 11))
    for t in range(3):
        own = words[t, mask[t] == 1]
        key, value = affine(decoder.text_key, own), affine(decoder.text_value, own)
        context = []
        for head in (slice(0, 4), slice(4, 8)):
            weight = np.exp(query[:, head] @ key[:, head].T / 2.0)
            context.append(weight / weight.sum(1, keepdims=True) @ value[:, head])
        joined = standardise(np.hstack([*context, query]))
        joined = joined * decoder.norm.weight.numpy() + decoder.norm.bias.numpy()
        expected[t] = affine(decoder.level, gelu(affine(decoder.hidden, joined)))[:, 0]
    np.testing.assert_allclose(decoder(*inputs).numpy(), expected, atol=1e-5)


def test_padding_words_change_nothing(decoder, inputs):
    genes, words, mask = inputs
    before = decoder(genes, words, mask)
    changed = torch.where(mask[..., None].bool(), words, torch.tensor(50.0))
    assert (decoder(genes, changed, mask) - before).abs().max() < 1e-5
    alone = decoder(genes, words[2:, :1], mask[2:, :1])
    assert (alone - before[2:]).abs().max() < 1e-5


def test_texts_are_read_independently(decoder, inputs):
    genes, words, mask = inputs
    turned = decoder(genes, words.flip(0), mask.flip(0)).flip(0)
    assert (turned - decoder(genes, words, mask)).abs().max() < 1e-5


def test_genes_are_read_independently(decoder, inputs):
    genes, words, mask = inputs
    some = decoder(genes[3:6], words, mask)
    assert (some - decoder(genes, words, mask)[:, 3:6]).abs().max() < 1e-5


def test_no_cell_can_come_in(decoder):
    assert list(inspect.signature(decoder.forward).parameters) == ["genes", "words", "mask"]
