"""Text -> cell: genes attend to the states of a text and say how much they are expressed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from scmmgpt_tl.model.config import ExpressionConfig


def build_expression_decoder(
    config: ExpressionConfig, *, n_genes: int, gene_width: int, text_width: int
) -> ExpressionDecoder:
    """Return the untrained network that ``config.kind`` names.

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    sizes = {"n_genes": n_genes, "gene_width": gene_width, "text_width": text_width}
    match config.kind:
        case "joined":
            return JoinedDecoder(config, **sizes)
        case "weighted":
            return WeightedDecoder(config, **sizes)
        case _:
            msg = (
                f"`expression.kind` is {config.kind!r}; this version of scmmgpt-tl knows 'joined' "
                "and 'weighted'."
            )
            raise ValueError(msg)


class ExpressionDecoder(nn.Module, ABC):
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

    @abstractmethod
    def forward(
        self,
        genes: torch.Tensor,
        words: torch.Tensor,
        mask: torch.Tensor,
        index: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return log-rates (texts, genes), up to a constant per text.

        Parameters
        ----------
        genes
            Gene vectors, (genes, gene_width).
        words
            Word states of the texts, (texts, words, text_width).
        mask
            True where a word stands, (texts, words).
        index
            Which genes of the table these are, (genes,); by default all of them.
        """

    def attend(self, query: torch.Tensor, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return what genes (genes, width) read in the words, (texts, genes, width)."""
        heads = (self.config.n_heads, -1)
        key, value = self.text_key(words), self.text_value(words)
        attended = F.scaled_dot_product_attention(
            query.unflatten(-1, heads).transpose(0, 1).expand(len(words), -1, -1, -1),
            key.unflatten(-1, heads).transpose(1, 2),
            value.unflatten(-1, heads).transpose(1, 2),
            attn_mask=mask.bool()[:, None, None, :],
        )
        return attended.transpose(1, 2).flatten(-2)


class JoinedDecoder(ExpressionDecoder):
    """One small network for all genes judges what a gene is and what it read, joined.

    It knows a gene by its vector alone, so that it has to learn from the vectors how strongly each
    gene is expressed anywhere.
    """

    def __init__(
        self, config: ExpressionConfig, *, n_genes: int, gene_width: int, text_width: int
    ) -> None:
        super().__init__(config, gene_width=gene_width, text_width=text_width)
        self.norm = nn.LayerNorm(2 * config.width)
        self.hidden = nn.Linear(2 * config.width, config.width)
        self.level = nn.Linear(config.width, 1)

    def forward(
        self,
        genes: torch.Tensor,
        words: torch.Tensor,
        mask: torch.Tensor,
        index: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As the class above has it."""
        query = self.gene_query(F.layer_norm(genes, genes.shape[-1:]))
        context = self.attend(query, words, mask)
        joined = self.norm(torch.cat([context, query.expand(len(words), -1, -1)], dim=-1))
        return self.level(F.gelu(self.hidden(joined))).squeeze(-1)


class WeightedDecoder(ExpressionDecoder):
    r"""Every gene has a level of its own, and weighs what it read in its own way.

    .. math:: r_{tg} = b_g + \langle u_g + U v_g, \mathrm{LN}(c_{tg}) \rangle

    where :math:`c_{tg}` is what gene :math:`g` reads in text :math:`t`, :math:`v_g` its vector,
    :math:`b_g` its level and :math:`u_g` its weights. Words see each other once more before genes
    read them: they were trained to be compared as a whole, not to be asked one by one.
    """

    def __init__(
        self, config: ExpressionConfig, *, n_genes: int, gene_width: int, text_width: int
    ) -> None:
        super().__init__(config, gene_width=gene_width, text_width=text_width)
        self.words = nn.TransformerEncoderLayer(
            text_width,
            config.n_heads,
            2 * text_width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.norm = nn.LayerNorm(config.width)
        self.level = nn.Parameter(torch.zeros(n_genes))
        self.weight = nn.Parameter(torch.zeros(n_genes, config.width))
        self.shared = nn.Linear(gene_width, config.width)
        # Genes start with what is known of them; what their vectors add is learned.
        nn.init.zeros_(self.shared.weight)
        nn.init.zeros_(self.shared.bias)

    def forward(
        self,
        genes: torch.Tensor,
        words: torch.Tensor,
        mask: torch.Tensor,
        index: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As the class above has it."""
        level, weight = (
            (self.level, self.weight) if index is None else (self.level[index], self.weight[index])
        )
        vectors = F.layer_norm(genes, genes.shape[-1:])
        states = F.layer_norm(words, words.shape[-1:])
        states = self.words(states, src_key_padding_mask=~mask.bool())
        context = self.norm(self.attend(self.gene_query(vectors), states, mask))
        return level + torch.einsum("tgw,gw->tg", context, weight + self.shared(vectors))
