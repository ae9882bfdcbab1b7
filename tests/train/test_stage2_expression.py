"""Text to cell: what the decoder is shown in training, and where its genes start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scmmgpt_tl.model.config import ExpressionConfig
from scmmgpt_tl.model.expression_decoder import build_expression_decoder
from scmmgpt_tl.train.gene_levels import start_genes, type_levels
from scmmgpt_tl.train.material import start_network
from scmmgpt_tl.train.stage2_expression import ExpressionStage, caption_profiles
from scmmgpt_tl.train.studies import StudyEffects, study_effects


@pytest.fixture(scope="module", params=["joined", "weighted"])
def stage(request, run_config, material):
    sizes = {"kind": request.param, "width": 16, "n_heads": 2}
    config = replace(run_config, architecture={**run_config.architecture, "expression": sizes})
    vocabulary = {"n_layers": 2, "vocabulary": 259}
    sizes = {**config.architecture, "decoder": {**config.architecture["decoder"], **vocabulary}}
    config = replace(config, architecture=sizes)
    return ExpressionStage(start_network(config, material), material, config)


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
    genes, words, mask, index, rates = shown[0]
    assert torch.equal(genes, stage.network.cell_encoder.genes.weight[batch.genes])
    assert torch.equal(index, batch.genes)
    assert torch.equal(mask, batch.mask)
    assert words.shape[:2] == batch.ids.shape
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


def test_genes_start_at_what_profiles_say(material):
    n_genes = material.profiles.shares.shape[1]
    none = StudyEffects(
        np.zeros((1, n_genes), dtype=np.float32),
        np.zeros(len(material.profiles.terms), dtype=np.int64),
        np.array([0]),
    )
    mean, deviation = type_levels(material.profiles, none)
    decoder = build_expression_decoder(
        ExpressionConfig("weighted", width=16, n_heads=2),
        n_genes=n_genes,
        gene_width=24,
        text_width=32,
    )
    start_genes(decoder, material.profiles, none)
    torch.testing.assert_close(decoder.level.detach(), torch.from_numpy(mean))
    # Six types take five axes at most: what the weights span holds every deviation whole.
    weight = decoder.weight.detach().numpy().astype(np.float64)
    place, *_ = np.linalg.lstsq(weight, deviation.T, rcond=None)
    np.testing.assert_allclose(weight @ place, deviation.T, atol=1e-3)
    np.testing.assert_allclose((place**2).mean(1)[:4], 1, rtol=0.05)


def test_levels_of_a_small_panel_are_not_those_of_a_type(material):
    mean, deviation = type_levels(material.profiles, study_effects(material.profiles))
    assert np.isfinite(mean).all()
    np.testing.assert_allclose(deviation.sum(1), 0, atol=1e-2)
