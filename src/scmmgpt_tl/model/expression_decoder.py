"""Text -> cell: genes attend to the states of a text and say how much they are expressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from scmmgpt_tl.model.config import ExpressionConfig


class ExpressionDecoder(nn.Module):
    """Every gene queries the words of a text; no cell enters, so none can leak.

    The gene vectors are those of the cell encoder, so that what a gene means to a cell and what
    it means to a text is one thing.
    """

    def __init__(self, config: ExpressionConfig, *, gene_width: int, text_width: int) -> None:
        super().__init__()
        self.config = config
        self.gene_query = nn.Linear(gene_width, config.width)
        self.text_key = nn.Linear(text_width, config.width)
        self.text_value = nn.Linear(text_width, config.width)
        self.norm = nn.LayerNorm(2 * config.width)
        self.hidden = nn.Linear(2 * config.width, config.width)
        self.level = nn.Linear(config.width, 1)

    def forward(self, genes: torch.Tensor, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return log-rates (texts, genes), up to a constant per text.

        Parameters
        ----------
        genes
            Gene vectors, (genes, gene_width).
        words
            Word states of the texts, (texts, words, text_width).
        mask
            True where a word stands, (texts, words).
        """
        heads = (self.config.n_heads, -1)
        query = self.gene_query(F.layer_norm(genes, genes.shape[-1:]))
        key, value = self.text_key(words), self.text_value(words)
        attended = F.scaled_dot_product_attention(
            query.unflatten(-1, heads).transpose(0, 1).expand(len(words), -1, -1, -1),
            key.unflatten(-1, heads).transpose(1, 2),
            value.unflatten(-1, heads).transpose(1, 2),
            attn_mask=mask.bool()[:, None, None, :],
        )
        context = attended.transpose(1, 2).flatten(-2)  # (texts, genes, width)
        joined = self.norm(torch.cat([context, query.expand(len(words), -1, -1)], dim=-1))
        return self.level(F.gelu(self.hidden(joined))).squeeze(-1)
