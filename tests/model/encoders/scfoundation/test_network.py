"""Every output is that of the published equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.load import load_model

pytestmark = pytest.mark.filterwarnings("ignore:scFoundation. these weights:UserWarning")


@pytest.fixture
def model(make_folder):
    return load_model(make_folder(), device="cpu")


@pytest.fixture
def counts():
    """Five cells x 300 genes of different length."""
    rng = np.random.default_rng(0)
    return csr_matrix(
        rng.poisson(rng.gamma(0.3, 1.0, 300) * [[0.1], [1], [3], [0.4], [1]]).astype(np.float32)
    )


def dense_of(tokens):
    """Values of genes, T and S of each cell, as the published scripts lay them out."""
    found = torch.zeros(tokens.n_cells, 302)
    cell = torch.arange(tokens.n_cells).repeat_interleave(tokens.lengths)
    found[cell, tokens.gene_ids] = tokens.values
    return found


@pytest.mark.parametrize("depth", ["t4", "f2", "a1"])
@pytest.mark.parametrize("part", ["cell", "rde", "gene"])
def test_cell_embeddings(model, references, counts, part, depth):
    model = model.with_options(part=part, depth=depth)
    tokens = model.tokenizer(counts)
    states = [references[part].encode(cell) for cell in dense_of(tokens)]
    ours, mask = model.network(tokens)
    torch.testing.assert_close(ours[mask], torch.cat(states), rtol=0, atol=1e-5)
    pooled = torch.stack([references[part].pool(cell) for cell in states])
    torch.testing.assert_close(model.encode_tokens(tokens), pooled, rtol=0, atol=1e-5)
    largest = torch.stack([cell.max(0).values for cell in states])
    torch.testing.assert_close(
        model.with_options(pooling="max").encode_tokens(tokens), largest, rtol=0, atol=1e-5
    )


def test_gene_embeddings_and_expression(model, references, counts):
    tokens = model.tokenizer(counts)
    expected = torch.stack([references["gene"].embed_genes(cell) for cell in dense_of(tokens)])
    with torch.inference_mode():
        found = model.network.embed_genes(tokens)
        values = model.network.predict_expression(tokens)
    assert found.shape == (5, 300, 12)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    final = references["gene"].to_final(expected)[..., 0]
    torch.testing.assert_close(values, final, rtol=0, atol=1e-5)


def test_a_cell_is_embedded_as_if_alone(model, counts):
    together = model.encode_cells(counts).cell
    alone = torch.cat([model.encode_cells(counts[i]).cell for i in range(5)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    tokens = model.tokenizer(counts)
    with torch.inference_mode():
        genes = model.network.embed_genes(tokens)
        last = model.network.embed_genes(tokens.take(torch.tensor([4])))
    torch.testing.assert_close(genes[4:], last, rtol=0, atol=1e-5)


def test_a_cell_without_counts(model):
    found = model.encode_cells(csr_matrix((2, 300), dtype=np.float32)).cell
    assert found.isfinite().all()
    assert not found[:, 32:].any()
    assert found[:, :32].any()


def test_options_that_cannot_be_meant(model):
    for options in ({"pooling": "mean"}, {"part": "genes"}):
        with pytest.raises(ValueError, match="`pooling` must be 'all' or 'max' and `part` 'cell'"):
            model.with_options(**options)
    assert model.network.options.pooling == "all"


def test_parts_that_are_not_there(make_folder, counts):
    def alone(content):
        del content["cell"], content["gene"]

    model = load_model(make_folder(alone), device="cpu")
    assert model.network.options.part == "rde"
    assert model.encode_cells(counts).cell.shape == (5, 64)
    for part in ("cell", "gene"):
        with pytest.raises(ValueError, match=f"has no part '{part}', but rde"):
            model.with_options(part=part)
    assert model.facts["embeds"].startswith("by the part 'rde'")
    with pytest.raises(ValueError, match="has no part 'gene', but rde"):
        model.network.embed_genes(model.tokenizer(counts))


def test_a_choice_leaves_the_model_as_it_was(model, counts):
    first = model.encode_cells(counts).cell
    found = {part: model.with_options(part=part) for part in ("cell", "rde", "gene")}
    vectors = {part: chosen.encode_cells(counts).cell for part, chosen in found.items()}
    assert torch.equal(vectors["cell"], first)
    assert not torch.allclose(vectors["gene"], first)
    assert not torch.allclose(vectors["gene"], vectors["rde"])
    assert torch.equal(model.encode_cells(counts).cell, first)
    assert found["gene"].with_options(depth="a1").network.options.part == "gene"


def test_places_cost_more_than_those_of_scgpt(model):
    assert model.budget == 256
    assert not model.core_a_batch
    assert model.network.cell_encoder.place_cost == model.network.place_cost


def test_gradients_reach_every_weight(model, counts):
    tokens = model.tokenizer(counts)
    model.network.requires_grad_(requires_grad=True)
    (model.network(tokens)[0].sum() + model.network.predict_expression(tokens).sum()).backward()
    silent = {
        name.split(".", 2)[1]
        for name, part in model.network.named_parameters()
        if part.grad is None
    }
    assert silent == {"rde"}
    # The model is kept for the next one who asks.
    model.network.requires_grad_(requires_grad=False).zero_grad()
