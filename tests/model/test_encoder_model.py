from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.load import load_model
from scmmgpt_tl.model.runner import map_cells


@pytest.fixture
def model(scgpt_folder):
    return load_model(scgpt_folder, device="cpu")


@pytest.fixture
def counts():
    """Twenty cells x 300 genes of very different length, one of them empty."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.3, 1.0, 300) * rng.gamma(0.3, 4.0, (20, 1))
    rate[7] = 0
    return csr_matrix(rng.poisson(rate).astype(np.float32))


def test_a_cell_is_embedded_as_if_alone(model, counts):
    together = model.encode_cells(counts).cell
    alone = torch.cat([model.encode_cells(counts[i]).cell for i in range(20)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(20))


def test_what_the_embedding_does_not_need_is_not_computed(model, counts):
    tokens = model.tokenizer(counts)
    with torch.inference_mode():
        states, mask = model.network(tokens)
        first, _ = model.network(tokens, n_places=1)
        expected = model.network.pool(states, mask, tokens)
    assert first.shape[1] == 1
    torch.testing.assert_close(first, states[:, :1], rtol=0, atol=1e-5)
    torch.testing.assert_close(model.encode_cells(counts).cell, expected, rtol=0, atol=1e-5)


def test_the_inference_loop_takes_it(model, counts):
    found, report = map_cells(
        model, [counts[:13], counts[13:]], lambda s, _: {"cell": s.cell}, n_obs=20, batch_size=6
    )
    np.testing.assert_allclose(found["cell"], model.encode_cells(counts).cell, atol=1e-5)
    assert report.batch_size == 6


def test_batches_suit_the_device(model, counts):
    _, report = map_cells(model, [counts], lambda s, _: {"cell": s.cell}, n_obs=20)
    assert report.batch_size == model.batch_sizes["cpu"]


def test_bfloat16_is_close(scgpt_folder, model, counts):
    brief = load_model(scgpt_folder, device="cpu", dtype="bfloat16").encode_cells(counts).cell
    assert brief.dtype == torch.float32
    cosine = (brief * model.encode_cells(counts).cell).sum(1)
    assert 0.99 < cosine.min() < 1


def test_options(model, counts):
    short = model.with_options(max_length=11, longer="top")
    assert short.tokenizer(counts).lengths.max() == 11
    assert model.tokenizer.max_length == 120
    shared = dict(short.network.named_parameters())
    assert all(part is shared[name] for name, part in model.network.named_parameters())
    with pytest.raises(ValueError, match="scGPT has no option depth. It has longer, max_length"):
        model.with_options(depth=3)
