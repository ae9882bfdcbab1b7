"""Is a droplet one cell? Two cells at once and empty droplets look like cells of no type.

A head beside the Q-Former reads the mean of the encoder's states, and how rich the droplet is: two
cells express more genes than one, and what floats about between cells is many genes of little each.
It judges every droplet by itself, so no answer depends on the other droplets of a data set.
"""

from __future__ import annotations

import torch
from torch import nn

from .droplets import EXPECTED, KINDS

HIDDEN = 128
# Of a droplet that is nothing out of the ordinary, so that both numbers lie around 0.
TYPICAL_GENES, TYPICAL_SHARE = 1000.0, 0.1


class DropletHead(nn.Module):
    """Mean states and richness of droplets -> logits of `KINDS`; untrained, what is expected."""

    def __init__(self, state_width: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(state_width)
        last = nn.Linear(HIDDEN, len(KINDS))
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.tensor(EXPECTED).log())
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(state_width + 2, HIDDEN),
            nn.GELU(),
            nn.Dropout(dropout),
            last,
        )

    def forward(self, mean: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        """Judge droplets.

        Parameters
        ----------
        mean
            Mean of the states of each, (droplets, state_width).
        found
            :func:`richness` of each, (droplets, 2).

        Returns
        -------
        Logits, (droplets, `KINDS`).
        """
        return self.layers(torch.cat([self.norm(mean), found.to(mean.dtype)], dim=1))


def richness(n_expressed: torch.Tensor, n_measured: torch.Tensor) -> torch.Tensor:
    """Return how many genes a droplet expresses, and what share of the measured ones, both as logs.

    Parameters
    ----------
    n_expressed
        Genes of the model with a count above zero, (droplets,).
    n_measured
        Genes of the model that were measured, (droplets,) or one number.
    """
    expressed = (1 + n_expressed.float()).log()
    share = expressed - n_measured.float().clamp_min(1).log()
    typical = torch.tensor([TYPICAL_GENES, TYPICAL_SHARE], device=share.device).log()
    return torch.stack([expressed, share], dim=1) - typical
