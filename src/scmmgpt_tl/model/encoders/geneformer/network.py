"""The network of Geneformer: a BERT over ranked genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from scmmgpt_tl.model.bert import Bert, BertSizes
from scmmgpt_tl.model.padding import masked_mean

if TYPE_CHECKING:
    from scmmgpt_tl.model.tokens import GeneTokens


@dataclass(frozen=True)
class GeneformerConfig(BertSizes):
    """Sizes of the network, and tokens that are no genes.

    Parameters
    ----------
    pad, cls, eos
        Tokens that are no genes; the last two are `None` in the first version.
    """

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


class GeneformerNetwork(Bert):
    """Gene tokens -> their states."""

    def __init__(self, config: GeneformerConfig, options: GeneformerOptions | None = None) -> None:
        super().__init__(config)
        self.config = config
        self.options = options or GeneformerOptions()

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

    @property
    def pools_first(self) -> bool:
        """Whether the embedding is made of the first state alone."""
        return self.options.pooling == "cls"

    def forward(
        self, tokens: GeneTokens, *, n_places: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode cells.

        Parameters
        ----------
        tokens
            Of the cells, from :class:`~scmmgpt_tl.model.rank_tokenizer.RankTokenizer`.
        n_places
            Places whose states are wanted, from the first; by default all.

        Returns
        -------
        states
            (cells, places, width), of the layer that the options name.
        mask
            (cells, places), True where there is a token.
        """
        ids, _, mask = tokens.rectangle(pad_id=self.config.pad)
        # What a later layer would do to the states is not computed.
        n_layers = self.config.n_layers + self.options.layer
        return self.encode(ids, mask, n_layers=n_layers, n_places=n_places), mask

    def pool(self, states: torch.Tensor, mask: torch.Tensor, tokens: GeneTokens) -> torch.Tensor:
        """Return the cell embedding: the mean over genes, zero without any, or the `<cls>` state."""
        del tokens
        if self.options.pooling == "cls":
            return states[:, 0]
        genes = mask.clone()
        if self.config.eos is not None:
            genes[torch.arange(mask.shape[0], device=mask.device), mask.sum(1) - 1] = False
        if self.config.cls is not None:
            genes[:, 0] = False
        return masked_mean(states.float(), genes)
