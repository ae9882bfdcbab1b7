from __future__ import annotations

from itertools import product

import pytest
import torch

from scmmgpt_tl.model import attention
from scmmgpt_tl.model.attention import _head_by_head, attend


@pytest.fixture
def parts():
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 9, 8, generator=generator)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[1, 6:] = False
    return query, key, value, mask


def by_hand(query, key, value, mask):
    scores = query @ key.transpose(-1, -2) / 8**0.5
    scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
    weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    return weights @ value


def test_equation(parts):
    query, key, value, mask = parts
    torch.testing.assert_close(attend(*parts), by_hand(*parts))
    everywhere = torch.ones_like(mask)
    torch.testing.assert_close(attend(query, key, value), by_hand(query, key, value, everywhere))


@pytest.mark.parametrize("cached", [5, 40, 2**19])
def test_bfloat16_on_a_cpu_is_the_same_to_its_precision(parts, monkeypatch, cached):
    monkeypatch.setattr(attention, "_CACHED_WEIGHTS", cached)
    query, key, value, mask = parts
    brief = [part.bfloat16() for part in (query, key, value)]
    with torch.inference_mode():
        for way, own in product((attend, _head_by_head), (mask, None)):
            found = way(*brief, own).float()
            expected = by_hand(query, key, value, torch.ones_like(mask) if own is None else own)
            torch.testing.assert_close(found, expected, rtol=0, atol=0.04)


def test_gradients_pass(parts):
    query, key, value, mask = parts
    query = query.bfloat16().requires_grad_()
    attend(query, key.bfloat16(), value.bfloat16(), mask).sum().backward()
    assert query.grad.abs().sum() > 0
