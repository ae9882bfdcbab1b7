"""The bridge between cells and words: a Q-Former and its heads.

One transformer in four modes, after BLIP-2 (https://arxiv.org/abs/2301.12597): *cell* (queries
attend to cell states), *text* (words alone), *match* (queries and words see each other) and
*caption* (words follow the queries, each seeing only what is before it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F
from transformers import Blip2QFormerConfig, Blip2QFormerModel
from transformers.models.blip_2.modeling_blip_2 import Blip2TextEmbeddings

from .padding import masked_mean

if TYPE_CHECKING:
    from scmmgpt_tl.model.config import BridgeConfig


class Bridge(nn.Module):
    """Q-Former with contrast, match and caption heads."""

    def __init__(self, config: BridgeConfig, *, state_width: int) -> None:
        super().__init__()
        self.config = config
        qformer = Blip2QFormerConfig(
            vocab_size=config.vocabulary,
            hidden_size=config.hidden,
            num_hidden_layers=config.n_layers,
            num_attention_heads=config.n_heads,
            intermediate_size=config.intermediate,
            max_position_embeddings=config.max_positions,
            hidden_dropout_prob=config.dropout,
            attention_probs_dropout_prob=config.dropout,
            hidden_act=config.activation,
            layer_norm_eps=config.layer_norm_eps,
            cross_attention_frequency=config.cross_attention_frequency,
            encoder_hidden_size=state_width,
            use_qformer_text_input=True,
            pad_token_id=0,
        )
        self.cell_norm = nn.LayerNorm(state_width)
        self.words = Blip2TextEmbeddings(qformer)
        self.qformer = Blip2QFormerModel(qformer)
        self.queries = nn.Parameter(
            torch.empty(1, config.n_queries, config.hidden).normal_(std=0.02)
        )
        self.cell_projection = nn.Linear(config.hidden, config.projection)
        self.shortcut = nn.Linear(state_width, config.projection)
        self.text_projection = nn.Linear(config.hidden, config.projection)
        self.match_head = nn.Linear(config.hidden, 2)
        self.caption_transform = nn.Sequential(
            nn.Linear(config.hidden, config.hidden), nn.GELU(), nn.LayerNorm(config.hidden)
        )
        self.caption_bias = nn.Parameter(torch.zeros(config.vocabulary))
        # The queries start silent: cells are first placed by the shortcut alone.
        nn.init.zeros_(self.cell_projection.weight)
        nn.init.zeros_(self.cell_projection.bias)

    def encode_cells(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return query states (cells, queries, hidden) from states (cells, n, width)."""
        queries = self.queries.expand(states.shape[0], -1, -1)
        return self.qformer(
            query_embeds=queries,
            query_length=queries.shape[1],
            encoder_hidden_states=self.cell_norm(states),
            encoder_attention_mask=_cross_mask(mask, queries.shape[1]),
        ).last_hidden_state

    def encode_text(self, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return word states (texts, words, hidden)."""
        return self.qformer(
            query_embeds=self.words(input_ids), query_length=0, attention_mask=mask
        ).last_hidden_state

    def project_cells(
        self, queries: torch.Tensor, states: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Return unit vectors (cells, queries, projection) of the shared space.

        What the queries found is added to a linear summary of the states: the short way learns
        fast what the cell is, the long one what there is to ask of it.
        """
        summary = self.summarise(states, mask)
        return F.normalize((self.cell_projection(queries) + summary[:, None]).float(), dim=-1)

    def summarise(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the linear summary of states, (cells, projection), of no particular length."""
        return self.shortcut(masked_mean(self.cell_norm(states), mask))

    def project_text(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (texts, projection): the mean over words, then the projection."""
        mean = masked_mean(words, mask)
        return F.normalize(self.text_projection(mean).float(), dim=-1)

    def match(
        self,
        states: torch.Tensor,
        states_mask: torch.Tensor,
        input_ids: torch.Tensor,
        text_mask: torch.Tensor,
    ) -> torch.Tensor:
        """Return logits (pairs, 2) of "does this text describe this cell", class 1 = it does."""
        joint = self._joint(states, states_mask, input_ids, self._bidirectional(text_mask))
        return self.match_head(joint[:, : self.config.n_queries]).mean(1)

    def caption(
        self,
        states: torch.Tensor,
        states_mask: torch.Tensor,
        input_ids: torch.Tensor,
        text_mask: torch.Tensor,
    ) -> torch.Tensor:
        """Return next-word logits (cells, words, vocabulary) of a caption given its cell."""
        joint = self._joint(states, states_mask, input_ids, self._causal(text_mask))
        words = self.caption_transform(joint[:, self.config.n_queries :])
        return F.linear(words, self.words.word_embeddings.weight, self.caption_bias)

    def _joint(
        self,
        states: torch.Tensor,
        states_mask: torch.Tensor,
        input_ids: torch.Tensor,
        self_mask: torch.Tensor,
    ) -> torch.Tensor:
        queries = self.queries.expand(len(states), -1, -1)
        n_queries = self.config.n_queries
        return self.qformer(
            query_embeds=self.words(input_ids, query_embeds=queries),
            query_length=n_queries,
            attention_mask=self_mask,
            encoder_hidden_states=self.cell_norm(states),
            encoder_attention_mask=_cross_mask(states_mask, n_queries),
        ).last_hidden_state

    def _bidirectional(self, text_mask: torch.Tensor) -> torch.Tensor:
        queries = text_mask.new_ones(len(text_mask), self.config.n_queries)
        keys = torch.cat([queries, text_mask], dim=1).bool()
        return keys[:, None, None, :].expand(-1, 1, keys.shape[1], -1)

    def _causal(self, text_mask: torch.Tensor) -> torch.Tensor:
        n_queries, length = self.config.n_queries, text_mask.shape[1]
        total = n_queries + length
        order = torch.ones(total, total, dtype=torch.bool, device=text_mask.device).tril()
        order[:n_queries, :n_queries] = True
        return order & self._bidirectional(text_mask)


def _cross_mask(mask: torch.Tensor, n_queries: int) -> torch.Tensor:
    # A ready 4-D mask: from a 2-D one transformers 5.23 builds rows for the words too, and fails.
    return mask[:, None, None, :].expand(-1, 1, n_queries, -1)
