"""A published encoder as the cell encoder of a model of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from .buckets import buckets, places_at_once, suits_a_core
from .encoders.geneset import GENE_STD
from .encoders.published import cell_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .config import AdoptedConfig
    from .matched_tokenizer import MatchedTokenizer
    from .tokens import GeneTokens

PUBLISHED = "published"
"""Name of the published network within the encoder."""


class GeneVectors(nn.Module):
    """Vectors that genes are told apart by; nothing trains them.

    Like those of an embedding they are under `weight`.
    """

    weight: torch.Tensor  # (genes, width)

    def __init__(self, n_genes: int, width: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(n_genes, width) * GENE_STD)


class AdoptedEncoder(nn.Module):
    """Gene tokens -> states of genes, as a published network has them.

    Parameters
    ----------
    config
        Which network, and its sizes.
    tokenizer
        From counts over the model's genes to the network's tokens.
    """

    # A state a gene takes far more memory than a few a cell.
    batch_sizes: ClassVar[Mapping[str, int]] = {"cpu": 4, "cuda": 256, "mps": 64}
    """Cells a batch by default, by device."""

    def __init__(self, config: AdoptedConfig, tokenizer: MatchedTokenizer) -> None:
        super().__init__()
        self.config, self.tokenizer = config, tokenizer
        # The expression decoder asks for all genes of the model, the network may not know some.
        self.genes = GeneVectors(config.n_genes, config.width)
        self.published = cell_part(config.kind).build(config.sizes)

    @property
    def core_a_batch(self) -> bool:
        """Whether a core had better have a batch of its own than share one."""
        return suits_a_core(self.published)

    def forward(
        self, tokens: GeneTokens, measured: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode cells; those of like length go through the network together.

        Parameters
        ----------
        tokens
            Of the cells, from the tokenizer.
        measured
            Not looked at: a published network takes a gene that was not measured for a silent one.

        Returns
        -------
        States (cells, places, state_width) and mask (cells, places), True where a state may be
        attended to. A cell without tokens has one state, of zeros.
        """
        del measured
        lengths = tokens.lengths
        if not tokens.n_cells:
            empty = self.genes.weight.new_zeros(0, 1, self.config.state_width)
            return empty, empty.new_zeros(0, 1, dtype=torch.bool)
        longest = max(int(lengths.max()), 1)
        states, masks, order = [], [], []
        budget = places_at_once(lengths.device, self.published)
        for cells in buckets(lengths, budget=budget):
            found, mask = self.encode_together(tokens.take(cells))
            room = longest - found.shape[1]
            states.append(F.pad(found, (0, 0, 0, room)))
            masks.append(F.pad(mask, (0, room)))
            order.append(cells)
        back = torch.cat(order).argsort()
        return torch.cat(states)[back], torch.cat(masks)[back]

    def encode_together(self, tokens: GeneTokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Do what :meth:`forward` does, with all cells padded to the longest."""
        states, mask = self.published(tokens)
        first = torch.arange(mask.shape[1], device=mask.device) == 0
        # What stands on padded places depends on the other cells, and means nothing.
        return states * mask[..., None], mask | (first & ~mask.any(1, keepdim=True))

    def train(self, mode: bool = True) -> AdoptedEncoder:  # noqa: FBT001, FBT002 - as torch has it
        """Switch to training, or back; a frozen network stays as users run it."""
        super().train(mode)
        self.published.train(mode and self.config.tuned)
        for part in self.published.modules():
            # Its statistics are of the cells it was published with, not of a batch and its padding.
            if isinstance(part, nn.BatchNorm1d):
                part.eval()
        return self
