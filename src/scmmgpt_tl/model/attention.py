"""Scaled dot-product attention, by the engine that is fastest where it runs."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Attend from every place to every place that holds a token.

    Parameters
    ----------
    query, key, value
        (cells, heads, places, head width).
    mask
        (cells, places), True where there is a token; by default everywhere.
    dropout
        Share of attention weights dropped, in training.

    Returns
    -------
    (cells, heads, places, head width).
    """
    # torch's fused kernel gains nothing from bfloat16 on a CPU, where plain products can run 4.5
    # times as fast as in float32, if the CPU has the instructions.
    brief = query.device.type == "cpu" and query.dtype == torch.bfloat16 and not dropout
    if brief and not torch.is_grad_enabled() and _has_products():
        return _head_by_head(query, key, value, mask)
    keys = None if mask is None else mask[:, None, None, :]
    return F.scaled_dot_product_attention(query, key, value, keys, dropout_p=dropout)


def _has_products() -> bool:
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def _head_by_head(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    # One head at a time, so that its weights stay in the cache.
    out = torch.empty_like(query)
    scaled = query * query.shape[-1] ** -0.5
    for cell in range(query.shape[0]):
        keep = slice(None) if mask is None else mask[cell]
        for head in range(query.shape[1]):
            weights = (scaled[cell, head] @ key[cell, head][keep].T).softmax(-1)
            out[cell, head] = weights @ value[cell, head][keep]
    return out
