"""From the states of a cell's genes to one vector of the cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from .tokens import GeneTokens


def embed(network: torch.nn.Module, tokens: GeneTokens) -> torch.Tensor:
    """Embed cells with a published network, (cells, width), float32.

    Parameters
    ----------
    network
        One with `pool`; where its `pools_first` is true, the embedding is made of the first state
        alone, and its last layer is not computed for others.
    tokens
        Of the cells.
    """
    if getattr(network, "pools_first", False):
        states, mask = network(tokens, n_places=1)
    else:
        states, mask = network(tokens)
    vectors: torch.Tensor = network.pool(states, mask, tokens)  # type: ignore[operator]
    return vectors.float()
