"""Text to cell: what the decoder is shown in training, and what it remembers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scmmgpt_tl.model.config import ExpressionConfig
from scmmgpt_tl.model.expression_decoder import ExpressionDecoder
from scmmgpt_tl.train.gene_levels import remember_types, type_levels
from scmmgpt_tl.train.material import start_network
from scmmgpt_tl.train.stage2_expression import ExpressionStage, caption_profiles
from scmmgpt_tl.train.studies import StudyEffects, study_effects
from scmmgpt_tl.train.text_vectors import text_vectors


@pytest.fixture(scope="module")
def stage(run_config, material):
    return ExpressionStage(start_network(run_config, material), material, run_config)


def test_one_caption_a_profile(material):
    texts = caption_profiles(np.array([0, 3, 3]), material, np.random.default_rng(0))
    assert len(texts) == 3


def test_the_decoder_is_shown_texts_and_genes_alone(stage):
    """Other cells behind the same texts: the decoder reads and says the same, the loss differs."""
    batch = stage.draw(0)
    other = batch._replace(
        shares=batch.shares.flip(1), effect=batch.effect + 1.0, measured=batch.measured.flip(1)
    )
    shown = []
    handle = stage.network.expression_decoder.register_forward_hook(
        lambda module, inputs, output: shown.append((*inputs, output))
    )
    losses = [stage(part, 0)["loss"] for part in (batch, other)]
    handle.remove()
    assert len(shown) == 2
    for first, second in zip(*shown, strict=True):
        assert torch.equal(first, second)
    genes, words, mask, text, index, rates = shown[0]
    assert torch.equal(genes, stage.network.cell_encoder.genes.weight[batch.genes])
    assert torch.equal(index, batch.genes)
    assert torch.equal(mask, batch.mask)
    assert words.shape[:2] == batch.ids.shape
    torch.testing.assert_close(text.norm(dim=-1), torch.ones(len(batch.ids)))
    assert rates.shape == batch.shares.shape
    assert losses[0] != losses[1]


def test_nothing_but_the_decoder_learns(stage):
    trained = {id(p) for group in stage.groups() for p in group["params"]}
    own = {id(p) for p in stage.network.expression_decoder.parameters()}
    assert trained == own


def test_shares_are_of_the_genes_looked_at(stage):
    batch = stage.draw(1)
    torch.testing.assert_close(batch.shares.sum(1), torch.ones(len(batch.shares)))
    assert batch.effect.shape == batch.shares.shape
    assert (batch.total > 0).all()


def test_types_are_remembered_as_profiles_have_them(material):
    n_genes, terms = material.profiles.shares.shape[1], sorted(set(material.profiles.terms))
    none = StudyEffects(
        np.zeros((1, n_genes), dtype=np.float32),
        np.zeros(len(material.profiles.terms), dtype=np.int64),
        np.array([0]),
    )
    mean, deviation = type_levels(material.profiles, none)
    decoder = ExpressionDecoder(
        ExpressionConfig(width=16, n_heads=2, n_types=len(terms), n_axes=16),
        n_genes=n_genes,
        gene_width=24,
        text_width=32,
        projection=len(terms),
    )
    texts = np.eye(len(terms), dtype=np.float32)
    remember_types(decoder, texts, material.profiles, none)
    genes, words = torch.randn(n_genes, 24), torch.randn(len(terms), 3, 32)
    with torch.no_grad():
        found = decoder(genes, words, torch.ones(len(terms), 3), torch.from_numpy(texts))
    # As many axes as types hold every deviation whole.
    np.testing.assert_allclose(found, mean + deviation, atol=1e-3)


def test_the_stage_begins_with_the_texts_of_types(stage, material):
    decoder, terms = stage.network.expression_decoder, sorted(set(material.profiles.terms))
    assert decoder.types.shape[0] == len(terms)
    found = text_vectors(stage.network, material.text_tokenizer, terms)
    np.testing.assert_allclose(decoder.types, found, atol=1e-6)
    assert decoder.place.abs().sum() > 0


def test_levels_of_a_small_panel_are_not_those_of_a_type(material):
    mean, deviation = type_levels(material.profiles, study_effects(material.profiles))
    assert np.isfinite(mean).all()
    np.testing.assert_allclose(deviation.sum(1), 0, atol=1e-2)
