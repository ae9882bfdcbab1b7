from __future__ import annotations

import pytest
import torch
from torch import nn

from scmmgpt_tl.model.state import distinct_state, load_strict


def tied() -> nn.ModuleDict:
    network = nn.ModuleDict({"embed": nn.Embedding(4, 3), "head": nn.Linear(3, 4)})
    network["head"].weight = network["embed"].weight
    network.register_buffer("steps", torch.tensor(1))
    return network


def test_one_name_of_a_shared_tensor_is_enough():
    source, target = tied(), tied()
    state = distinct_state(source)
    assert sorted(state) == ["embed.weight", "head.bias", "steps"]
    load_strict(target, state)
    assert torch.equal(target["head"].weight, source["embed"].weight)
    assert target["head"].weight is target["embed"].weight


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head.bias": None}, r"state dict does not fit ModuleDict; missing: head.bias\.$"),
        ({"embed.weight": None}, "missing: embed.weight, head.weight"),
        ({"extra": torch.ones(1)}, "unexpected: extra"),
        ({"head.bias": torch.ones(5)}, r"different: head.bias \(5,\) instead of \(4,\)"),
        (
            {"head.bias": torch.ones(4, dtype=torch.int8)},
            r"head.bias \(4,\) int8 instead of \(4,\)",
        ),
        ({"steps": torch.tensor(1.0)}, r"steps \(\) instead of \(\) int64"),
        ({"steps": None, "extra": torch.ones(1)}, "missing: steps; unexpected: extra"),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(change, message):
    network = tied()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    state = {key: tensor + 1 for key, tensor in distinct_state(network).items()} | change
    state = {key: tensor for key, tensor in state.items() if tensor is not None}
    with pytest.raises(ValueError, match=message):
        load_strict(network, state)
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())


def test_long_lists_of_names_are_cut():
    network = nn.ModuleList(nn.Linear(1, 1) for _ in range(10))
    with pytest.raises(ValueError, match=r"missing: 0.weight, 0.bias, .* and 15 more\.$"):
        load_strict(network, {})
