"""The network of Geneformer: a BERT over ranked genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from scmmgpt_tl.model.padding import masked_mean
from scmmgpt_tl.model.transformer import Activation, Transformer

if TYPE_CHECKING:
    from scmmgpt_tl.model.tokens import GeneTokens


@dataclass(frozen=True)
class GeneformerConfig:
    """Sizes of the network, as they lie in `config.json`.

    Parameters
    ----------
    n_tokens, n_positions
        Rows of the tables of genes and of ranks.
    width, n_layers, n_heads, inner
        Sizes of the transformer.
    activation, eps, dropout
        As in the transformer.
    pad, cls, eos
        Tokens that are no genes; the last two are `None` in the first version.
    """

    n_tokens: int
    n_positions: int
    width: int
    n_layers: int
    n_heads: int
    inner: int
    activation: Activation
    eps: float
    dropout: float
    pad: int
    cls: int | None
    eos: int | None


@dataclass(frozen=True)
class GeneformerOptions:
    """What the embedding of a cell is.

    Parameters
    ----------
    pooling
        `"mean"` of the states of genes, or the state of `"cls"`.
    layer
        -1 for the states before the last layer, which are the more general ones and the published
        default; 0 for those after it.
    """

    pooling: Literal["mean", "cls"] = "mean"
    layer: Literal[-1, 0] = -1


class GeneformerNetwork(nn.Module):
    """Gene tokens -> their states."""

    def __init__(self, config: GeneformerConfig, options: GeneformerOptions) -> None:
        super().__init__()
        self.config = config
        self.options = options
        self.genes = nn.Embedding(config.n_tokens, config.width)
        self.ranks = nn.Embedding(config.n_positions, config.width)
        # BERT tells first from second sentences: two rows, of which cells use the first.
        self.kinds = nn.Embedding(2, config.width)
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.dropout = nn.Dropout(config.dropout)
        self.transformer = Transformer(
            width=config.width,
            n_layers=config.n_layers,
            n_heads=config.n_heads,
            inner=config.inner,
            activation=config.activation,
            eps=config.eps,
            dropout=config.dropout,
        )

    @property
    def options(self) -> GeneformerOptions:
        """What the embedding of a cell is."""
        return self._options

    @options.setter
    def options(self, options: GeneformerOptions) -> None:
        if options.pooling not in {"mean", "cls"} or options.layer not in {-1, 0}:
            msg = f"`pooling` must be 'mean' or 'cls' and `layer` -1 or 0, found {options}."
            raise ValueError(msg)
        if options.pooling == "cls" and self.config.cls is None:
            msg = "This Geneformer has no <cls> token; the first version has none. Use 'mean'."
            raise ValueError(msg)
        self._options = options

    def forward(
        self, tokens: GeneTokens, measured: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode cells.

        Parameters
        ----------
        tokens
            Of the cells, from :class:`~.tokenizer.GeneformerTokenizer`.
        measured
            Not used.

        Returns
        -------
        states
            (cells, places, width), of the layer that the options name.
        mask
            (cells, places), True where there is a token.
        """
        del measured
        ids, _, mask = tokens.rectangle(pad_id=self.config.pad)
        if ids.shape[1] > self.config.n_positions:
            msg = f"A cell has {ids.shape[1]} tokens; the network ranks {self.config.n_positions}."
            raise ValueError(msg)
        ranks = self.ranks.weight[: ids.shape[1]] + self.kinds.weight[0]
        hidden = self.dropout(self.norm(self.genes(ids) + ranks))
        # What a later layer would do to the states is not computed.
        n_layers = self.config.n_layers + self.options.layer
        return self.transformer(hidden, mask, n_layers=n_layers), mask

    def pool(self, states: torch.Tensor, mask: torch.Tensor, tokens: GeneTokens) -> torch.Tensor:
        """Return the cell embedding: the mean over genes, zero without any, or the `<cls>` state."""
        del tokens
        if self.options.pooling == "cls":
            return states[:, 0]
        genes = mask.clone()
        if self.config.eos is not None:
            genes[torch.arange(len(mask), device=mask.device), mask.sum(1) - 1] = False
        if self.config.cls is not None:
            genes[:, 0] = False
        return masked_mean(states.float(), genes)
