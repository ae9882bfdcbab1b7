from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from scmmgpt_tl.model.config import ExpressionConfig
from scmmgpt_tl.model.expression_decoder import ExpressionDecoder


@pytest.fixture
def decoder():
    config = ExpressionConfig(width=8, n_heads=2, n_types=5, n_axes=3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = ExpressionDecoder(
            config, n_genes=11, gene_width=6, text_width=10, projection=7
        ).requires_grad_(requires_grad=False)
        for table in (*decoder.parameters(), *decoder.buffers()):
            # What starts at nothing would hide a part that is left out.
            torch.nn.init.normal_(table, std=0.5)
        decoder.types.copy_(F.normalize(decoder.types, dim=-1))
        decoder.log_scale.fill_(1.5)
    return decoder.eval()


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    genes = torch.randn(11, 6, generator=generator)
    words = torch.randn(3, 4, 10, generator=generator)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])
    text = F.normalize(torch.randn(3, 7, generator=generator), dim=-1)
    return genes, words, mask, text


def affine(layer, x):
    bias = 0 if layer.bias is None else layer.bias.numpy()
    return x @ layer.weight.numpy().T + bias


def standardise(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def attended(decoder, genes, words):
    """What genes read in the words of one text, in numpy."""
    query = affine(decoder.gene_query, genes)
    key, value = affine(decoder.text_key, words), affine(decoder.text_value, words)
    context = []
    for head in (slice(0, 4), slice(4, 8)):
        weight = np.exp(query[:, head] @ key[:, head].T / 2.0)
        context.append(weight / weight.sum(1, keepdims=True) @ value[:, head])
    return np.hstack(context)


def remembered(decoder, text):
    """What a text recalls, in numpy."""
    weight = np.exp(np.exp(1.5) * decoder.types.numpy() @ text)
    place = weight / weight.sum() @ decoder.place.numpy()
    return decoder.level.numpy() + decoder.weight.numpy() @ place


def test_a_text_recalls_types_and_genes_read_its_words(decoder, inputs):
    genes, words, mask, text = (part.numpy() for part in inputs)
    expected = np.empty((3, 11))
    for t in range(3):
        own = torch.from_numpy(standardise(words[t, mask[t] == 1])).float()
        context = attended(decoder, standardise(genes), decoder.words(own[None])[0].numpy())
        context = standardise(context) * decoder.norm.weight.numpy() + decoder.norm.bias.numpy()
        added = (affine(decoder.shared, standardise(genes)) * context).sum(1)
        expected[t] = remembered(decoder, text[t]) + added
    np.testing.assert_allclose(decoder(*inputs).numpy(), expected, atol=1e-4)


def test_before_it_learned_it_says_what_it_remembers(inputs):
    decoder = ExpressionDecoder(
        ExpressionConfig(width=8, n_heads=2, n_types=2, n_axes=1),
        n_genes=3,
        gene_width=6,
        text_width=10,
        projection=2,
    )
    decoder.types.copy_(torch.eye(2))
    decoder.place.copy_(torch.tensor([[1.0], [-1.0]]))
    decoder.weight.copy_(torch.tensor([[2.0], [0.0], [-1.0]]))
    decoder.level.copy_(torch.tensor([0.5, 0.5, 0.5]))
    genes, words, mask, _ = inputs
    with torch.no_grad():
        found = decoder(genes[:3], words[:2], mask[:2], torch.eye(2))
    expected = torch.tensor([[2.5, 0.5, -0.5], [-1.5, 0.5, 1.5]])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_padding_words_change_nothing(decoder, inputs):
    genes, words, mask, text = inputs
    before = decoder(genes, words, mask, text)
    changed = torch.where(mask[..., None].bool(), words, torch.tensor(50.0))
    assert (decoder(genes, changed, mask, text) - before).abs().max() < 1e-5
    alone = decoder(genes, words[2:, :1], mask[2:, :1], text[2:])
    assert (alone - before[2:]).abs().max() < 1e-5


def test_texts_are_read_independently(decoder, inputs):
    genes, words, mask, text = inputs
    turned = decoder(genes, words.flip(0), mask.flip(0), text.flip(0)).flip(0)
    assert (turned - decoder(*inputs)).abs().max() < 1e-5


def test_genes_are_read_independently(decoder, inputs):
    genes, *rest = inputs
    some = decoder(genes[3:6], *rest, torch.arange(3, 6))
    assert (some - decoder(*inputs)[:, 3:6]).abs().max() < 1e-5


def test_no_cell_can_come_in(decoder):
    assert list(inspect.signature(decoder.forward).parameters) == [
        "genes",
        "words",
        "mask",
        "text",
        "index",
    ]
