"""The network of scGPT, with the decoders that it was trained through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional as F

from scmmgpt_tl.model.transformer import Transformer

from .decoders import ExpressionHead, ProfileHead

if TYPE_CHECKING:
    from scmmgpt_tl.model.tokens import GeneTokens

Style = Literal["continuous", "category", "scaling"]

LARGEST_VALUE = 512
_NORM_EPS = 6.1e-5


@dataclass(frozen=True)
class ScGPTConfig:
    """Sizes of the network, as they lie in a folder.

    Parameters
    ----------
    n_tokens
        Rows of the gene table.
    width, n_layers, n_heads, inner
        Sizes of the transformer.
    dropout
        Share of hidden units dropped in training.
    style
        How values enter: `"continuous"` and `"category"` are added to the gene, `"scaling"`
        multiplies it.
    n_value_tokens
        Values that the style `"category"` knows.
    pad, pad_value
        Token and value of padding.
    masked_decoder, mvc_decoder
        Whether there are weights of the two decoders.
    zero_probability
        Whether the decoders also tell the chance of not being silent.
    n_batches
        Batches with an embedding or normalisation of their own, 0 for none.
    batch_labels
        Whether the decoders are told the batch.
    batch_norm
        `"none"`, `"shared"` by all batches, or `"domain"` for one a batch.
    """

    n_tokens: int
    width: int
    n_layers: int
    n_heads: int
    inner: int
    dropout: float
    style: Style
    n_value_tokens: int
    pad: int
    pad_value: float
    masked_decoder: bool = True
    mvc_decoder: bool = True
    zero_probability: bool = False
    n_batches: int = 0
    batch_labels: bool = False
    batch_norm: Literal["none", "shared", "domain"] = "none"


class ScGPTNetwork(nn.Module):
    """Gene tokens -> states of genes, the first of which is the cell's."""

    pools_first: ClassVar[bool] = True

    def __init__(self, config: ScGPTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.gene_embedding = nn.Embedding(config.n_tokens, width)
        self.gene_norm = nn.LayerNorm(width)
        self.value_encoder = _value_encoder(config)
        match config.batch_norm:
            case "shared":
                self.batch_norm: nn.Module | None = nn.BatchNorm1d(width, eps=_NORM_EPS)
            case "domain":
                norms = (
                    nn.BatchNorm1d(width, eps=_NORM_EPS, affine=False)
                    for _ in range(config.n_batches)
                )
                self.batch_norm = nn.ModuleList(norms)
            case _:
                self.batch_norm = None
        self.transformer = Transformer(
            width=width,
            n_layers=config.n_layers,
            n_heads=config.n_heads,
            inner=config.inner,
            dropout=config.dropout,
        )
        self.batch_encoder = BatchEncoder(config.n_batches, width) if config.batch_labels else None
        told, zero = config.batch_labels, config.zero_probability
        masked, mvc = config.masked_decoder, config.mvc_decoder
        self.masked_decoder = ExpressionHead(width, told_batch=told, zero=zero) if masked else None
        self.mvc_decoder = ProfileHead(width, told_batch=told, zero=zero) if mvc else None

    def forward(
        self,
        tokens: GeneTokens,
        *,
        batch: torch.Tensor | None = None,
        n_places: int | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode cells.

        Parameters
        ----------
        tokens
            Of the cells, from :class:`~.tokenizer.ScGPTTokenizer`.
        batch
            Batch of each cell, (cells,), for networks that normalise each batch by itself.
        n_places
            Places whose states are wanted, from the first; by default all.

        Returns
        -------
        States (cells, places, width) and mask (cells, places), True where there is a token.

        Raises
        ------
        ValueError
            If the network normalises each batch by itself, and is not told the batches.
        """
        ids, values, mask = tokens.rectangle(
            pad_id=self.config.pad, pad_value=self.config.pad_value
        )
        genes, entered = self.embed_genes(ids), self.value_encoder(values)
        # A value that scales has one entry, one that is added has the width.
        hidden = genes * entered if self.config.style == "scaling" else genes + entered
        return self.transformer(self._normalised(hidden, batch), mask, n_places=n_places), mask

    def pool(self, states: torch.Tensor, mask: torch.Tensor, tokens: GeneTokens) -> torch.Tensor:
        """Return the cell embedding: the first state, of unit length."""
        del mask, tokens
        return F.normalize(states[:, 0].float(), dim=-1)

    def embed_genes(self, ids: torch.Tensor) -> torch.Tensor:
        """Return gene embeddings (..., width) of token ids: what the network knows of a gene alone."""
        return self.gene_norm(self.gene_embedding(ids))

    def predict_masked(
        self, states: torch.Tensor, *, batch: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Predict the value at each place from its state.

        Parameters
        ----------
        states
            From :meth:`forward`, (cells, places, width).
        batch
            Batch of each cell, (cells,), where the decoder is told.

        Returns
        -------
        Values (cells, places), and, if the network tells, the chances that the genes are not
        silent.
        """
        decoder = _present(self.masked_decoder, "masked expression decoder")
        if (told := self._batch_states(batch)) is not None:
            states = torch.cat([states, told[:, None].expand_as(states)], dim=-1)
        return decoder(states)

    def predict_from_cell(
        self, cell: torch.Tensor, ids: torch.Tensor, *, batch: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Predict the values of genes from the cell's state alone (MVC).

        Parameters
        ----------
        cell
            First state of each cell, not normalised, (cells, width).
        ids
            Tokens of the genes, (cells, genes).
        batch
            Batch of each cell, (cells,), where the decoder is told.

        Returns
        -------
        As :meth:`predict_masked`, (cells, genes).
        """
        decoder = _present(self.mvc_decoder, "MVC decoder")
        if (told := self._batch_states(batch)) is not None:
            cell = torch.cat([cell, told], dim=-1)
        return decoder(cell, self.embed_genes(ids))

    def _normalised(self, hidden: torch.Tensor, batch: torch.Tensor | None) -> torch.Tensor:
        if self.batch_norm is None:
            return hidden
        if not isinstance(self.batch_norm, nn.ModuleList):
            return self.batch_norm(hidden.transpose(1, 2)).transpose(1, 2)
        if batch is None:
            msg = (
                f"This scGPT normalises each of its {self.config.n_batches} training batches by "
                "itself (domain-specific batch norm) and does not say which is which. Pass "
                "`batch=` to its network, or embed with a model that was trained without."
            )
            raise ValueError(msg)
        out = torch.empty_like(hidden)
        for name in batch.unique().tolist():
            own = batch == name
            out[own] = self.batch_norm[name](hidden[own].transpose(1, 2)).transpose(1, 2)
        return out

    def _batch_states(self, batch: torch.Tensor | None) -> torch.Tensor | None:
        if self.batch_encoder is None:
            return None
        if batch is None:
            msg = (
                f"The decoders of this scGPT are told which of {self.config.n_batches} training "
                "batches a cell is from. Pass `batch=`, numbers from 0."
            )
            raise ValueError(msg)
        return self.batch_encoder(batch)


class ContinuousValues(nn.Module):
    """Numbers to vectors, by two linear maps."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(1, width)
        self.linear2 = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (...) to (..., width)."""
        capped = values.clamp(max=LARGEST_VALUE).unsqueeze(-1)
        return self.dropout(self.norm(self.linear2(F.relu(self.linear1(capped)))))


class CategoryValues(nn.Module):
    """Whole numbers to vectors, by a table."""

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n, width)
        self.enc_norm = nn.LayerNorm(width)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (...) to (..., width)."""
        return self.enc_norm(self.embedding(values.long()))


class ScalingValues(nn.Module):
    """Numbers as they are."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (...) to (..., 1)."""
        return values.unsqueeze(-1)


class BatchEncoder(nn.Module):
    """Batches to vectors, by a table."""

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n, width)
        self.enc_norm = nn.LayerNorm(width)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Map (cells,) to (cells, width)."""
        return self.enc_norm(self.embedding(batch))


def _value_encoder(config: ScGPTConfig) -> nn.Module:
    match config.style:
        case "continuous":
            return ContinuousValues(config.width, config.dropout)
        case "category":
            return CategoryValues(config.n_value_tokens, config.width)
        case _:
            return ScalingValues()


def _present(decoder: nn.Module | None, what: str) -> nn.Module:
    if decoder is None:
        msg = f"The checkpoint has no weights of the {what}, which this call needs."
        raise ValueError(msg)
    return decoder
