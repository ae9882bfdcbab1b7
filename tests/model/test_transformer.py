from __future__ import annotations

import pytest
import torch
from torch import nn

from scmmgpt_tl.model.transformer import Transformer


@pytest.fixture
def stack():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Transformer(width=16, n_layers=2, n_heads=4, inner=24, dropout=0.1).eval()


@pytest.fixture
def theirs(stack):
    """Layers of torch with the same weights."""
    layer = nn.TransformerEncoderLayer(16, 4, 24, 0.1, batch_first=True)
    other = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    names = {"qkv.": "self_attn.in_proj_", "out.": "self_attn.out_proj.", "expand.": "linear1."}
    names |= {"contract.": "linear2."}
    state = {}
    for key, part in stack.state_dict().items():
        for ours, published in names.items():
            key = key.replace(f".{ours}", f".{published}")  # noqa: PLW2901
        state[key] = part
    other.load_state_dict(state)
    return other


@pytest.fixture
def hidden():
    return torch.randn(3, 7, 16, generator=torch.Generator().manual_seed(1))


def test_layers_are_those_of_torch(stack, theirs, hidden):
    mask = torch.arange(7) < torch.tensor([[7], [4], [1]])
    with torch.no_grad():
        found, expected = stack(hidden, mask), theirs(hidden, src_key_padding_mask=~mask)
    torch.testing.assert_close(found[mask], expected[mask], rtol=0, atol=1e-6)


def test_padding_and_empty_cells_do_no_harm(stack, hidden):
    mask = torch.arange(7) < torch.tensor([[7], [4], [0]])
    with torch.no_grad():
        found = stack(hidden, mask)
        alone = stack(hidden[1:2, :4], torch.ones(1, 4, dtype=torch.bool))
    assert found.isfinite().all()
    torch.testing.assert_close(found[1:2, :4], alone, rtol=0, atol=1e-6)


def test_fewer_layers(stack, hidden):
    mask = torch.ones(3, 7, dtype=torch.bool)
    with torch.no_grad():
        torch.testing.assert_close(stack(hidden, mask, n_layers=0), hidden)
        assert not torch.allclose(stack(hidden, mask, n_layers=1), stack(hidden, mask))


@pytest.mark.parametrize("n_layers", [1, None])
def test_states_of_the_first_places_alone(stack, hidden, n_layers):
    mask = torch.arange(7) < torch.tensor([[7], [4], [0]])
    with torch.no_grad():
        whole = stack(hidden, mask, n_layers=n_layers)
        found = stack(hidden, mask, n_layers=n_layers, n_places=2)
    torch.testing.assert_close(found, whole[:, :2], rtol=0, atol=1e-6)


def test_dropout_in_training_only(stack, hidden):
    mask = torch.ones(3, 7, dtype=torch.bool)
    assert torch.equal(stack(hidden, mask), stack(hidden, mask))
    stack.train()
    with torch.random.fork_rng(devices=[]):
        assert not torch.equal(stack(hidden, mask), stack(hidden, mask))


def test_heads_must_share_the_width():
    with pytest.raises(ValueError, match="width of 16 cannot be shared by 3"):
        Transformer(width=16, n_layers=1, n_heads=3, inner=8)
