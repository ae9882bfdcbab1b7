r"""Performer layers of the published encoders: attention whose cost grows with the places, not their square.

:cite:t:`Choromanski2021` write the kernel of softmax attention as a mean over random directions
:math:`\omega_1, \dots, \omega_m`, which makes it a product of features of query and key (FAVOR+):

.. math::
    e^{q^\top k / \sqrt d} \approx \phi(q)^\top \phi(k), \quad
    \phi(x)_i = \frac{1}{\sqrt m} \exp\!\big(\omega_i^\top x' - \tfrac12 |x'|^2\big), \quad
    x' = x / \sqrt[4]{d}
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Mapping

# Added to features, so that no query is without any key.
_EPS = 1e-4
_FIRST = "layers.0."

RULES: Final = (
    (r"performer\.net\.layers\.", "layers."),
    (r"(layers\.\d+)\.0\.norm\.", r"\1.norm1."),
    (r"(layers\.\d+)\.0\.fn\.to_q\.", r"\1.query."),
    (r"(layers\.\d+)\.0\.fn\.to_k\.", r"\1.key."),
    (r"(layers\.\d+)\.0\.fn\.to_v\.", r"\1.value."),
    (r"(layers\.\d+)\.0\.fn\.to_out\.", r"\1.out."),
    (r"(layers\.\d+)\.0\.fn\.fast_attention\.projection_matrix", r"\1.directions"),
    (r"(layers\.\d+)\.1\.norm\.", r"\1.norm2."),
    (r"(layers\.\d+)\.1\.fn\.fn\.w1\.", r"\1.expand."),
    (r"(layers\.\d+)\.1\.fn\.fn\.w2\.", r"\1.contract."),
)
"""From the names of published checkpoints to ours."""


@dataclass(frozen=True)
class PerformerSizes:
    """Sizes of a stack of layers.

    Parameters
    ----------
    width
        Of the states.
    n_layers
        How many.
    n_heads, head_width
        How many, and how wide each is; their product need not be the width.
    n_directions
        Random directions, of which each gives a feature.
    inner
        Width between the two linear maps of a layer.
    bias
        Whether queries, keys and values have one.
    """

    width: int
    n_layers: int
    n_heads: int
    head_width: int
    n_directions: int
    inner: int
    bias: bool


def sizes_of(state: Mapping[str, torch.Tensor], *, source: str) -> PerformerSizes:
    """Read the sizes off the tensors of the first layer.

    Parameters
    ----------
    state
        State dict of a :class:`Performer`.
    source
        Where it comes from, for the message.

    Raises
    ------
    ValueError
        If there is no first layer, or its heads do not fill their width.
    """
    names = [_FIRST + name for name in ("directions", "qkv.weight", "expand.weight")]
    if absent := [name for name in names if name not in state or state[name].ndim != 2]:
        msg = f"{source} lacks {', '.join(absent)} of a Performer. Get the file again."
        raise ValueError(msg)
    directions, qkv, expand = (state[name] for name in names)
    n_heads, rest = divmod(len(qkv), 3 * directions.shape[1])
    if rest or not n_heads:
        msg = (
            f"{source}: {len(qkv)} queries, keys and values are no heads of {directions.shape[1]}."
        )
        raise ValueError(msg)
    layers = {int(found[1]) for key in state if (found := re.match(r"layers\.(\d+)\.", key))}
    return PerformerSizes(
        width=qkv.shape[1],
        n_layers=max(layers) + 1,
        n_heads=n_heads,
        head_width=directions.shape[1],
        n_directions=len(directions),
        inner=len(expand),
        bias=f"{_FIRST}qkv.bias" in state,
    )


def favor(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    directions: torch.Tensor,
    *,
    eps: float = _EPS,
) -> torch.Tensor:
    """Attend from every place to every place, by random features.

    Parameters
    ----------
    query, key, value
        (cells, heads, places, head width).
    directions
        Random directions, (directions, head width).
    eps
        Added to each feature, which is at most 1; published models have 1e-4. With 0, this becomes
        softmax attention as directions grow in number.

    Returns
    -------
    (cells, heads, places, head width), float32.
    """
    # The exponential of a product in less than float32 is too far from the truth.
    with torch.autocast(query.device.type, enabled=False):
        # What a feature is divided by cancels out. The cell alone decides it, not the batch.
        asked = _features(query.float(), directions, eps=eps, largest_over=(-1,))
        offered = _features(key.float(), directions, eps=eps, largest_over=(-3, -2, -1))
        summary = offered.transpose(-1, -2) @ value.float()  # (cells, heads, directions, width)
        weight = asked @ offered.sum(-2).unsqueeze(-1)
        return asked @ summary / weight


def _features(
    vectors: torch.Tensor, directions: torch.Tensor, *, eps: float, largest_over: tuple[int, ...]
) -> torch.Tensor:
    scaled = vectors * vectors.shape[-1] ** -0.25
    along = scaled @ directions.T
    half_norm = scaled.square().sum(-1, keepdim=True) / 2
    largest = along.amax(largest_over, keepdim=True).detach()
    return torch.exp(along - half_norm - largest) + eps


class PerformerLayer(nn.Module):
    """Attention and two linear maps, each on the normalised input and added to it."""

    directions: torch.Tensor

    def __init__(self, sizes: PerformerSizes, *, dropout: float) -> None:
        super().__init__()
        self.n_heads = sizes.n_heads
        attended = sizes.n_heads * sizes.head_width
        self.norm1 = nn.LayerNorm(sizes.width)
        self.qkv = nn.Linear(sizes.width, 3 * attended, bias=sizes.bias)
        self.register_buffer("directions", torch.zeros(sizes.n_directions, sizes.head_width))
        self.out = nn.Linear(attended, sizes.width)
        self.norm2 = nn.LayerNorm(sizes.width)
        self.expand = nn.Linear(sizes.width, sizes.inner)
        self.contract = nn.Linear(sizes.inner, sizes.width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (cells, places, width) to the same."""
        hidden = hidden + self.dropout(self.out(self._attend(self.norm1(hidden))))
        inner = self.dropout(F.gelu(self.expand(self.norm2(hidden))))
        return hidden + self.contract(inner)

    def _attend(self, hidden: torch.Tensor) -> torch.Tensor:
        parts = self.qkv(hidden).unflatten(-1, (3, self.n_heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (cells, heads, places, head width)
        return favor(query, key, value, self.directions).transpose(1, 2).flatten(2)


class Performer(nn.Module):
    """A stack of layers.

    The random directions are part of the published weights, and stay as they are.

    Parameters
    ----------
    sizes
        Of the layers.
    dropout
        Share of hidden units dropped in training.
    """

    def __init__(self, sizes: PerformerSizes, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            PerformerLayer(sizes, dropout=dropout) for _ in range(sizes.n_layers)
        )

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Refine states (cells, places, width); every place holds a token."""
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden
