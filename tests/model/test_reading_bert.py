from __future__ import annotations

import pytest
import torch

from scmmgpt_tl.model.bert import BertSizes
from scmmgpt_tl.model.reading_bert import ReadingBert

SIZES = BertSizes(
    n_tokens=11,
    n_positions=9,
    width=16,
    n_layers=3,
    n_heads=2,
    inner=20,
    activation="gelu",
    eps=1e-12,
    dropout=0.0,
)


@pytest.fixture(params=[(1, False), (2, True)], ids=["every layer", "every other, apart"])
def network(request):
    every, apart = request.param
    torch.manual_seed(0)
    return ReadingBert(SIZES, memory_width=6, every=every, apart=apart).eval()


@pytest.fixture
def cells():
    """Three cells of 5, 2 and 4 places."""
    torch.manual_seed(1)
    return torch.randn(3, 5, 6), torch.arange(5) < torch.tensor([[5], [2], [4]])


@torch.no_grad()
def test_many_texts_of_a_cell_are_read_as_one_by_one(network, cells):
    rows = torch.randn(3 * 4, 7, 16)
    mask = torch.arange(7) < torch.tensor([7, 3, 5, 6] * 3)[:, None]
    memory = network.remember(*cells)
    together = network(rows, mask, memory, n_reading=2)
    for cell, (states, seen) in enumerate(zip(*cells, strict=True)):
        own = network.remember(states[None, seen], seen[None, seen])
        for text in range(cell * 4, cell * 4 + 4):
            words = mask[text]
            alone = network(rows[text : text + 1, words], words[None, words], own, n_reading=2)
            torch.testing.assert_close(together[text, words], alone[0], rtol=0, atol=1e-5)


@torch.no_grad()
def test_rows_that_do_not_read_see_the_cell_through_the_others_alone(network, cells):
    rows, mask = torch.randn(3, 7, 16), torch.ones(3, 7, dtype=torch.bool)
    memory = network.remember(*cells)
    apart = network(rows, mask, memory)
    torch.testing.assert_close(apart, network(rows, mask))
    assert not torch.allclose(network(rows, mask, memory, n_reading=1)[:, 1:], apart[:, 1:])


def test_keys_are_kept_once_a_cell_and_layer_that_reads(network, cells):
    memory = network.remember(*cells)
    reading = sum(layer.reading is not None for layer in network.layers)
    assert len(memory.keys) == len(memory.values) == reading
    assert {tuple(part.shape) for part in memory.keys} == {(3, 2, 5, 8)}


def test_words_without_a_table():
    network = ReadingBert(SIZES, memory_width=6, words=False)
    with pytest.raises(ValueError, match="no weights for words"):
        network.embed(torch.zeros(1, 2, dtype=torch.int64))
