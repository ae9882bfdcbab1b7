"""The network is the BERT of transformers, and the embedding what the authors define."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scmmgpt_tl.model.load import load_model
from scmmgpt_tl.model.tokens import GeneTokens


@pytest.fixture
def cells():
    """Five cells of 0 to 50 genes, framed as their version asks."""

    def make(version):
        rng = np.random.default_rng(0)
        first = 2 * version
        genes = [rng.choice(300, n, replace=False) + first for n in (12, 1, 50, 0, 31)]
        if version == 2:
            genes = [np.r_[2, own, 3] for own in genes]
        lengths = [len(own) for own in genes]
        ids = np.concatenate(genes).astype(np.int64)
        offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
        return GeneTokens.from_numpy(ids, np.zeros(len(ids), np.float32), offsets)

    return make


def theirs(network, tokens, layer):
    """States of each cell by itself, without padding."""
    found = []
    for start, stop in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True):
        ids = tokens.gene_ids[None, start:stop]
        if ids.shape[1] == 0:
            found.append(torch.zeros(0, 16))
            continue
        with torch.no_grad():
            hidden = network.bert(ids, output_hidden_states=True).hidden_states
        found.append(hidden[len(hidden) - 1 + layer][0])
    return found


@pytest.mark.parametrize("layer", [-1, 0])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
@pytest.mark.parametrize("version", [1, 2])
def test_states_are_those_of_transformers(make_folder, bert, cells, version, form, layer):
    model = load_model(make_folder(version, form=form), device="cpu").with_options(layer=layer)
    tokens = cells(version)
    with torch.inference_mode():
        states, mask = model.network(tokens)
    expected = torch.cat(theirs(bert(version), tokens, layer))
    torch.testing.assert_close(states[mask], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("layer", [-1, 0])
@pytest.mark.parametrize(("version", "pooling"), [(1, "mean"), (2, "mean"), (2, "cls")])
def test_embeddings(make_folder, bert, cells, version, pooling, layer):
    model = load_model(make_folder(version), device="cpu")
    model = model.with_options(pooling=pooling, layer=layer)
    tokens = cells(version)
    expected = []
    for states in theirs(bert(version), tokens, layer):
        genes = states[1:-1] if version == 2 else states
        mean = genes.mean(0) if len(genes) else torch.zeros(16)
        expected.append(states[0] if pooling == "cls" else mean)
    torch.testing.assert_close(
        model.encode_tokens(tokens), torch.stack(expected), rtol=0, atol=1e-5
    )


def test_published_defaults(make_folder):
    first, second = (load_model(make_folder(version), device="cpu") for version in (1, 2))
    assert (first.network.options.pooling, first.network.options.layer) == ("mean", -1)
    assert (second.network.options.pooling, second.network.options.layer) == ("cls", -1)


def test_options_that_cannot_be_meant(make_folder):
    model = load_model(make_folder(1), device="cpu")
    with pytest.raises(ValueError, match="has no <cls> token"):
        model.with_options(pooling="cls")
    with pytest.raises(ValueError, match="`pooling` must be 'mean' or 'cls'"):
        model.with_options(pooling="max")
    with pytest.raises(ValueError, match="`layer` -1 or 0"):
        model.with_options(layer=-2)
    assert model.network.options.pooling == "mean"


def test_cells_longer_than_the_network_can_rank(make_folder):
    model = load_model(make_folder(1), device="cpu")
    long = torch.arange(65)
    tokens = GeneTokens(long, torch.zeros(65), torch.tensor([0, 65]))
    with pytest.raises(ValueError, match="A cell has 65 tokens; the network ranks 64"):
        model.encode_tokens(tokens)
