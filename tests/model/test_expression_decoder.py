from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from scmmgpt_tl.model.config import ExpressionConfig
from scmmgpt_tl.model.expression_decoder import build_expression_decoder


def build(kind):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = build_expression_decoder(
            ExpressionConfig(kind, width=8, n_heads=2), n_genes=11, gene_width=6, text_width=10
        )
        for parameter in decoder.parameters():
            # What starts at nothing would hide a part that is left out.
            torch.nn.init.normal_(parameter, std=0.5)
    return decoder.eval().requires_grad_(requires_grad=False)


@pytest.fixture(params=["joined", "weighted"])
def decoder(request):
    return build(request.param)


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    genes = torch.randn(11, 6, generator=generator)
    words = torch.randn(3, 4, 10, generator=generator)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])
    return genes, words, mask


def affine(layer, x):
    return x @ layer.weight.numpy().T + layer.bias.numpy()


def standardise(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def gelu(x):
    from scipy.special import erf

    return x * (1 + erf(x / np.sqrt(2))) / 2


def attended(decoder, genes, words):
    """What genes read in the words of one text, in numpy."""
    query = affine(decoder.gene_query, standardise(genes))
    key, value = affine(decoder.text_key, words), affine(decoder.text_value, words)
    context = []
    for head in (slice(0, 4), slice(4, 8)):
        weight = np.exp(query[:, head] @ key[:, head].T / 2.0)
        context.append(weight / weight.sum(1, keepdims=True) @ value[:, head])
    return query, np.hstack(context)


def scaled(norm, x):
    return standardise(x) * norm.weight.numpy() + norm.bias.numpy()


def test_joined_is_one_network_for_all_genes(inputs):
    decoder = build("joined")
    genes, words, mask = (part.numpy() for part in inputs)
    expected = np.empty((3, 11))
    for t in range(3):
        query, context = attended(decoder, genes, words[t, mask[t] == 1])
        joined = scaled(decoder.norm, np.hstack([context, query]))
        expected[t] = affine(decoder.level, gelu(affine(decoder.hidden, joined)))[:, 0]
    np.testing.assert_allclose(decoder(*inputs).numpy(), expected, atol=1e-4)


def test_weighted_gives_each_gene_a_level_and_weights(inputs):
    decoder = build("weighted")
    genes, words, mask = (part.numpy() for part in inputs)
    expected = np.empty((3, 11))
    for t in range(3):
        own = torch.from_numpy(standardise(words[t, mask[t] == 1])).float()
        _, context = attended(decoder, genes, decoder.words(own[None])[0].numpy())
        weight = decoder.weight.numpy() + affine(decoder.shared, standardise(genes))
        expected[t] = decoder.level.numpy() + (weight * scaled(decoder.norm, context)).sum(1)
    np.testing.assert_allclose(decoder(*inputs).numpy(), expected, atol=1e-4)


def test_unknown_kind_is_refused():
    with pytest.raises(
        ValueError, match=r"`expression.kind` is 'other'; .* 'joined' and 'weighted'"
    ):
        build("other")


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
    some = decoder(genes[3:6], words, mask, torch.arange(3, 6))
    assert (some - decoder(genes, words, mask)[:, 3:6]).abs().max() < 1e-5


def test_no_cell_can_come_in(decoder):
    assert list(inspect.signature(decoder.forward).parameters) == [
        "genes",
        "words",
        "mask",
        "index",
    ]
