"""Where genes start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scmmgpt_tl.train.gene_texts import read_descriptions
from scmmgpt_tl.train.material import start_network


@pytest.fixture
def config(run_config):
    sizes = run_config.architecture
    decoder = {**sizes["decoder"], "n_layers": 2, "vocabulary": 259}
    return replace(run_config, architecture={**sizes, "decoder": decoder})


def genes_of(config, material):
    return start_network(config, material).cell_encoder.genes.weight.detach()


def test_descriptions_are_read_once_and_it_makes_no_difference(config, material):
    read_descriptions.cache_clear()
    first, again = genes_of(config, material), genes_of(config, material)
    assert read_descriptions.cache_info().hits == 1
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    other = genes_of(replace(config, seed=1), material)
    assert read_descriptions.cache_info().misses == 1
    assert not torch.allclose(first, other)


def test_vectors_are_those_of_the_described_genes(config, material):
    network = start_network(config, material)
    written = read_descriptions(
        config.bert, config.gene_text, material.genes.symbols, network.config.bridge
    )
    assert sorted(written.rows.tolist()) == list(range(50))
    assert written.vectors.shape == (50, network.config.bridge.hidden)
    np.testing.assert_allclose(written.vectors.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(written.vectors.std(0), 1, rtol=1e-3)


def test_genes_without_a_description_start_at_random_alone(config, material):
    with_text = genes_of(config, material)
    without = genes_of(replace(config, use_gene_text=False), material)
    torch.testing.assert_close(with_text[50:], without[50:], rtol=0, atol=0)
    assert not torch.allclose(with_text[:50], without[:50])
