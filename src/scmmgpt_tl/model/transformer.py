"""Transformer layers of the published encoders: post-norm, attention both ways, no dropout at rest."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from .attention import attend

Activation = Literal["relu", "gelu"]


class TransformerLayer(nn.Module):
    """Self-attention and two linear maps, each added to its input and normalised."""

    def __init__(
        self,
        *,
        width: int,
        n_heads: int,
        inner: int,
        activation: Activation,
        eps: float,
        dropout: float,
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.activation = F.relu if activation == "relu" else F.gelu
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.expand = nn.Linear(width, inner)
        self.contract = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        hidden: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        n_places: int | None = None,
    ) -> torch.Tensor:
        """Map (cells, places, width) to the same; the mask is True where there is a token.

        With `n_places`, what comes out is of that many places from the first, and what only the
        others need is not computed.
        """
        return self.think(self.look(hidden, mask, n_places=n_places))

    def look(
        self, hidden: torch.Tensor, mask: torch.Tensor | None, *, n_places: int | None = None
    ) -> torch.Tensor:
        """Let places attend to all that hold a token: the first half of the layer."""
        attended = self.out(self._attend(hidden, mask, n_places))
        return self.norm1(hidden[:, :n_places] + self.dropout(attended))

    def think(self, hidden: torch.Tensor) -> torch.Tensor:
        """Send every place through the linear maps by itself: the second half."""
        inner = self.dropout(self.activation(self.expand(hidden)))
        return self.norm2(hidden + self.dropout(self.contract(inner)))

    def _attend(
        self, hidden: torch.Tensor, mask: torch.Tensor | None, n_places: int | None
    ) -> torch.Tensor:
        parts = self.qkv(hidden).unflatten(-1, (3, self.n_heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (cells, heads, places, head width)
        query = query[:, :, :n_places]
        dropout = self.dropout.p if self.training else 0.0
        return attend(query, key, value, mask, dropout=dropout).transpose(1, 2).flatten(2)


class Transformer(nn.Module):
    """A stack of layers.

    Parameters
    ----------
    width
        Of the states.
    n_layers, n_heads
        How many.
    inner
        Width between the two linear maps of a layer.
    activation
        Between them.
    eps
        Added to the variance in normalisation.
    dropout
        Share of hidden units and attention weights dropped in training.
    """

    def __init__(
        self,
        *,
        width: int,
        n_layers: int,
        n_heads: int,
        inner: int,
        activation: Activation = "relu",
        eps: float = 1e-5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width % n_heads:
            msg = f"A width of {width} cannot be shared by {n_heads} attention heads."
            raise ValueError(msg)
        self.layers = nn.ModuleList(
            TransformerLayer(
                width=width,
                n_heads=n_heads,
                inner=inner,
                activation=activation,
                eps=eps,
                dropout=dropout,
            )
            for _ in range(n_layers)
        )

    def forward(
        self,
        hidden: torch.Tensor,
        mask: torch.Tensor,
        *,
        n_layers: int | None = None,
        n_places: int | None = None,
    ) -> torch.Tensor:
        """Refine states.

        Parameters
        ----------
        hidden
            (cells, places, width).
        mask
            (cells, places), True where there is a token.
        n_layers
            Layers to run, from the first; by default all.
        n_places
            Places whose states are wanted, from the first; by default all. The last layer is
            computed for no others.
        """
        attended = attended_places(mask)
        layers = self.layers[:n_layers]
        for layer in layers[:-1]:
            hidden = layer(hidden, attended)
        for layer in layers[-1:]:
            hidden = layer(hidden, attended, n_places=n_places)
        return hidden


def attended_places(mask: torch.Tensor) -> torch.Tensor | None:
    """Return the places to attend to, `None` for all: kernels without a mask are faster."""
    # A network that is written down for other programs has to do with both.
    if not torch.compiler.is_compiling() and bool(mask.all()):
        return None
    # A cell without tokens attends to a padded place: attention to nothing is not a number.
    empty = ~mask.any(1, keepdim=True)
    return mask | empty
