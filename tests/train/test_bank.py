from __future__ import annotations

import numpy as np
import torch

from scmmgpt_tl import ontology
from scmmgpt_tl.train.bank import Bank, Terms, choose_terms, write_captions
from scmmgpt_tl.train.captions import relations


def test_terms_begin_with_the_types(material):
    terms = Terms.of(material.types)
    assert terms.ids[: len(material.types)] == material.types
    assert len(set(terms.ids)) == len(terms.ids)
    assert "CL:0000542" in terms.ids  # lymphocyte, which is above
    assert "CL:0000540" in terms.ids  # neuron, which no cell of the material is
    is_a, _ = relations(terms.ids)
    np.testing.assert_array_equal(terms.is_a, is_a)


def test_live_vectors_take_gradients_and_the_others_do_not():
    bank = Bank(torch.nn.functional.normalize(torch.randn(5, 3), dim=-1))
    before, shown = bank.vectors.clone(), torch.tensor([4, 1])
    live = torch.randn(2, 3, requires_grad=True)
    table = bank.with_live(shown, live)
    assert torch.equal(table[shown], live)
    assert torch.equal(table[[0, 2, 3]], before[[0, 2, 3]])
    table.sum().backward()
    assert torch.equal(live.grad, torch.ones(2, 3))
    assert torch.equal(bank.vectors, before)


def test_update_is_half_way_on_the_sphere():
    bank = Bank(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    bank.update(torch.tensor([1]), torch.tensor([[1.0, 0.0]], requires_grad=True))
    half = 0.5**0.5
    assert (bank.vectors - torch.tensor([[1.0, 0.0], [half, half]])).abs().max() < 1e-6
    assert not bank.vectors.requires_grad


def test_shown_terms_are_of_the_batch_or_above_it(material):
    terms = Terms.of(material.types)
    present, rng = np.array([0, 2, 3]), np.random.default_rng(0)
    cl = ontology.load()
    for _ in range(10):
        shown = choose_terms(present, terms.is_a, n=8, rng=rng)
        assert len(set(shown)) == len(shown) == 8, [terms.ids[t] for t in shown]
        assert set(present) <= set(shown)
        above = set().union(*(cl.ancestors(terms.ids[t]) for t in present))
        assert {terms.ids[t] for t in set(shown) - set(present)} <= above
    assert len(choose_terms(present, terms.is_a, n=2, rng=rng)) == 2


def test_captions_may_name_a_tissue_of_their_type(material):
    terms = Terms.of(material.types)
    shown, rng = np.arange(len(material.types)), np.random.default_rng(0)
    texts = [
        text
        for _ in range(40)
        for text in write_captions(
            shown, terms.ids, material.captioner, tissues=material.tissues, rng=rng
        )
    ]
    assert len(texts) == 40 * len(shown)
    assert any("fetal liver" in text or "blood" in text for text in texts)
    assert not any("Segerstolpe" in text for text in texts)
