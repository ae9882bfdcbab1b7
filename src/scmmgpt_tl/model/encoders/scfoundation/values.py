r"""Values to vectors, by bins that the network draws itself.

A value :math:`x` is spread over bins with weights
:math:`\mathrm{softmax}(\alpha h + W h + b)`, :math:`h = \mathrm{leaky}(w x + c)`, and enters as the
weighted mean of the bins' vectors.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

_SLOPE = 0.1


class ValueEmbedding(nn.Module):
    """Numbers to vectors, without edges between bins."""

    def __init__(self, n_bins: int, width: int, *, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.spread = nn.Linear(1, n_bins)
        self.mix = nn.Linear(n_bins, n_bins)
        self.bins = nn.Embedding(n_bins, width)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (...) to (..., width)."""
        hidden = F.leaky_relu(self.spread(values.unsqueeze(-1)), _SLOPE)
        weights = (self.alpha * hidden + self.mix(hidden)).softmax(-1)
        return weights @ self.bins.weight
