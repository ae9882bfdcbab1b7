from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.encoders.geneformer.perturb import perturb
from scmmgpt_tl.model.load import load_model


@pytest.fixture(params=[1, 2], ids=["V1", "V2"])
def model(make_folder, request):
    return load_model(make_folder(request.param), device="cpu")


@pytest.fixture
def tokens(model):
    """Cells of 40 genes, of all genes (which are cut), and of none."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, (3, 300)).astype(np.float32)
    counts[0, 40:], counts[2] = 0, 0
    return model.tokenizer(csr_matrix(counts))


def cells_of(tokens):
    return [part.tolist() for part in tokens.gene_ids.split(tokens.lengths.tolist())]


def by_hand(model, tokens, *, out=(), first=()):
    first_token = 2 if model.network.config.cls is None else 4
    found = []
    for cell in cells_of(tokens):
        genes = [token for token in cell if token >= first_token]
        kept = [token for token in genes if token not in {*out, *first}]
        room = 64 if model.network.config.cls is None else 126
        kept = [*first, *kept][:room]
        found.append(kept if model.network.config.cls is None else [2, *kept, 3])
    return found


def test_deletion(model, tokens):
    names = [model.genes.symbols[3], model.genes.ensembl_ids[20]]
    ids = model.tokenizer.token_ids[[3, 20]].tolist()
    changed = perturb(model, tokens, deleted=names)
    assert cells_of(changed) == by_hand(model, tokens, out=ids)
    assert cells_of(changed) != cells_of(tokens)


def test_overexpression(model, tokens):
    names = [model.genes.symbols[250], model.genes.symbols[7]]
    ids = model.tokenizer.token_ids[[250, 7]].tolist()
    changed = perturb(model, tokens, overexpressed=names)
    assert cells_of(changed) == by_hand(model, tokens, first=ids)
    assert changed.lengths.max() == model.tokenizer.max_length


def test_it_moves_the_cells_that_it_changes(model, tokens):
    name = model.genes.symbols[3]
    before = model.encode_tokens(tokens)
    after = model.encode_tokens(perturb(model, tokens, deleted=[name]))
    assert not torch.allclose(before[0], after[0])
    torch.testing.assert_close(before[2], after[2])
    same = model.encode_tokens(perturb(model, tokens))
    torch.testing.assert_close(before, same)


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"deleted": ["NOGENE"]}, "does not know the gene 'NOGENE'"),
        ({"deleted": ["CD3D"], "overexpressed": ["CD3D"]}, "may be named once"),
        ({"overexpressed": ["CD3D", "ENSG00000167286"]}, "may be named once"),
    ],
)
def test_genes_that_cannot_be_meant(model, tokens, how, match):
    with pytest.raises(ValueError, match=match):
        perturb(model, tokens, **how)
