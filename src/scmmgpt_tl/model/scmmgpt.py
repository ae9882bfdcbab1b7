"""The assembled network: cells and words in, a shared space, text and expression out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from .adopted_encoder import AdoptedEncoder
from .bridge import Bridge
from .droplet_head import DropletHead
from .encoders import build_encoder
from .expression_decoder import ExpressionDecoder
from .padding import masked_mean
from .text_decoder import TextDecoder

if TYPE_CHECKING:
    from .config import ModelConfig
    from .matched_tokenizer import MatchedTokenizer
    from .tokens import GeneTokens


class CellStates(NamedTuple):
    """What the model says of a batch of cells."""

    queries: torch.Tensor  # (cells, queries, hidden)
    projected: torch.Tensor  # (cells, queries, projection), unit rows
    cell: torch.Tensor  # (cells, projection), unit rows
    mean: torch.Tensor  # (cells, state_width), of the encoder's states


class ScMMGPT(nn.Module):
    """Cell encoder, bridge, droplet head, text decoder and expression decoder.

    Parameters
    ----------
    config
        All sizes.
    cell_tokenizer
        Of the cell encoder, where it is a published one.
    """

    def __init__(self, config: ModelConfig, cell_tokenizer: MatchedTokenizer | None = None) -> None:
        super().__init__()
        self.config = config
        self.cell_encoder = build_encoder(config.encoder, cell_tokenizer)
        self.bridge = Bridge(config.bridge, state_width=config.encoder.state_width)
        self.droplet_head = DropletHead(config.encoder.state_width, dropout=config.encoder.dropout)
        self.text_decoder = (
            TextDecoder(config.decoder, query_width=config.bridge.hidden)
            if config.decoder is not None
            else None
        )
        self.expression_decoder = ExpressionDecoder(
            config.expression,
            n_genes=config.encoder.n_genes,
            gene_width=config.encoder.width,
            text_width=config.bridge.hidden,
            projection=config.bridge.projection,
        )

    def join_decoder(self, decoder: TextDecoder) -> None:
        """Let a text decoder, which was made apart, write about the cells."""
        self.text_decoder = decoder
        self.config = replace(self.config, decoder=decoder.config)

    @property
    def cell_tokenizer(self) -> MatchedTokenizer | None:
        """What a published cell encoder reads counts with, `None` for our own."""
        encoder = self.cell_encoder
        return encoder.tokenizer if isinstance(encoder, AdoptedEncoder) else None

    def encode_cells(self, tokens: GeneTokens, measured: torch.Tensor) -> CellStates:
        """Encode gene tokens of a data set that measured some of the genes, (genes,)."""
        states, mask = self.cell_encoder(tokens, measured)
        return self.read_states(states, mask)

    def read_states(self, states: torch.Tensor, mask: torch.Tensor) -> CellStates:
        """Let the queries read cell states (cells, n, width)."""
        queries = self.bridge.encode_cells(states, mask)
        projected = self.bridge.project_cells(queries, states, mask)
        cell = nn.functional.normalize(projected.mean(1), dim=-1)
        return CellStates(queries, projected, cell, masked_mean(states, mask))

    def embed_text(self, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (texts, projection)."""
        return self.bridge.project_text(self.bridge.encode_text(input_ids, mask), mask)

    def expression(self, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return log-rates (texts, genes) of the cells that texts describe."""
        words = self.bridge.encode_text(input_ids, mask)
        text = self.bridge.project_text(words, mask)
        return self.expression_decoder(self.cell_encoder.genes.weight, words, mask, text)
