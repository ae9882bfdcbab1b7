"""Text -> cell: genes attend to the states of a text and say how much they are expressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from scmmgpt_tl.model.config import ExpressionConfig

FIRST_SCALE = 50.0


class ExpressionDecoder(nn.Module):
    r"""A text recalls the cell types that it is like, and every gene queries its words.

    .. math::
        r_{tg} = b_g + \langle u_g, z_t \rangle + \langle U v_g, \mathrm{LN}(c_{tg}) \rangle,
        \qquad z_t = \sum_k \mathrm{softmax}_k(s \langle e_t, e_k \rangle) \, z_k

    What known types express is remembered: gene :math:`g` has a level :math:`b_g`, the axes on which
    types differ have weights :math:`u_g`, and type :math:`k` lies at :math:`z_k` on them. A text is
    at the mean of the types whose texts :math:`e_k` are like its own, :math:`e_t`. What else it
    says, genes read in its words: :math:`c_{tg}` is what gene :math:`g` with its vector :math:`v_g`
    attends to. Words see each other once more before: they were trained to be compared as a whole,
    not to be asked one by one.

    No cell enters, so none can leak. The gene vectors are those of the cell encoder, so that what a
    gene means to a cell and what it means to a text is one thing.
    """

    level: torch.Tensor
    weight: torch.Tensor
    place: torch.Tensor
    types: torch.Tensor

    def __init__(
        self,
        config: ExpressionConfig,
        *,
        n_genes: int,
        gene_width: int,
        text_width: int,
        projection: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("level", torch.zeros(n_genes))
        self.register_buffer("weight", torch.zeros(n_genes, config.n_axes))
        self.register_buffer("place", torch.zeros(config.n_types, config.n_axes))
        self.register_buffer("types", torch.zeros(config.n_types, projection))
        self.log_scale = nn.Parameter(torch.tensor([FIRST_SCALE]).log())
        self.gene_query = nn.Linear(gene_width, config.width)
        self.text_key = nn.Linear(text_width, config.width)
        self.text_value = nn.Linear(text_width, config.width)
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
        self.shared = nn.Linear(gene_width, config.width, bias=False)
        # Genes start with what is remembered of them; what they read in words is learned.
        nn.init.zeros_(self.shared.weight)

    def forward(
        self,
        genes: torch.Tensor,
        words: torch.Tensor,
        mask: torch.Tensor,
        text: torch.Tensor,
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
        text
            Unit vectors of the texts, (texts, projection).
        index
            Which genes of the table these are, (genes,); by default all of them.
        """
        level, weight = self.level, self.weight
        if index is not None:
            level, weight = level[index], weight[index]
        alike = (self.log_scale.exp() * text @ self.types.T).softmax(-1)
        remembered = level + alike @ self.place @ weight.T
        vectors = F.layer_norm(genes, genes.shape[-1:])
        return remembered + torch.einsum(
            "tgw,gw->tg", self._read(vectors, words, mask), self.shared(vectors)
        )

    def _read(self, genes: torch.Tensor, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return what genes read in the words, (texts, genes, width)."""
        states = F.layer_norm(words, words.shape[-1:])
        states = self.words(states, src_key_padding_mask=~mask.bool())
        heads = (self.config.n_heads, -1)
        query, key, value = self.gene_query(genes), self.text_key(states), self.text_value(states)
        attended = F.scaled_dot_product_attention(
            query.unflatten(-1, heads).transpose(0, 1).expand(len(words), -1, -1, -1),
            key.unflatten(-1, heads).transpose(1, 2),
            value.unflatten(-1, heads).transpose(1, 2),
            attn_mask=mask.bool()[:, None, None, :],
        )
        return self.norm(attended.transpose(1, 2).flatten(-2))
