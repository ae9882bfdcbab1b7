"""Written language from cells: a Llama that reads query states as soft ``<cell>`` tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

if TYPE_CHECKING:
    from scmmgpt_tl.model.config import DecoderConfig


class TextDecoder(nn.Module):
    """``<cell> q1 ... qn </cell> prompt -> text``.

    The query states are projected to the decoder's width; the two brackets are learned vectors
    of their own, so the vocabulary of the language model stays as it was.
    """

    def __init__(self, config: DecoderConfig, *, query_width: int) -> None:
        super().__init__()
        self.config = config
        llama = LlamaConfig(
            vocab_size=config.vocabulary,
            hidden_size=config.hidden,
            num_hidden_layers=config.n_layers,
            num_attention_heads=config.n_heads,
            num_key_value_heads=config.n_kv_heads,
            intermediate_size=config.intermediate,
            max_position_embeddings=config.max_positions,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            rms_norm_eps=config.rms_norm_eps,
            bos_token_id=config.bos,
            eos_token_id=config.eos,
            pad_token_id=config.eos,
            tie_word_embeddings=True,
        )
        self.llama = LlamaForCausalLM(llama)
        self.projection = nn.Sequential(
            nn.Linear(query_width, config.hidden),
            nn.GELU(),
            nn.Linear(config.hidden, config.hidden),
        )
        self.brackets = nn.Parameter(torch.empty(2, config.hidden).normal_(std=0.02))

    def soft_tokens(self, queries: torch.Tensor) -> torch.Tensor:
        """Return ``<cell> q1 ... qn </cell>`` as vectors, (cells, queries + 2, hidden)."""
        inner = self.projection(queries)
        open_, close = self.brackets[:, None, None].expand(-1, len(queries), 1, -1)
        return torch.cat([open_, inner, close], dim=1)

    def inputs(
        self, queries: torch.Tensor, input_ids: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embeddings and mask of left-padded prompts with the cell tokens before them."""
        words = self.llama.get_input_embeddings()(input_ids)
        cell = self.soft_tokens(queries).to(words.dtype)
        return _insert_after_padding(cell, words, mask)

    def forward(
        self,
        queries: torch.Tensor,
        input_ids: torch.Tensor,
        mask: torch.Tensor,
        target: torch.Tensor,
    ) -> torch.Tensor:
        """Return the mean cross-entropy of the words that ``target`` marks.

        Parameters
        ----------
        queries
            (cells, queries, query_width).
        input_ids, mask
            Left-padded token ids and their 0/1 mask, (cells, length).
        target
            1 where a word is to be predicted, (cells, length).
        """
        embeddings, full_mask = self.inputs(queries, input_ids, mask)
        hidden = self.llama.model(
            inputs_embeds=embeddings, attention_mask=full_mask
        ).last_hidden_state
        before = hidden[:, -input_ids.shape[1] - 1 : -1]
        chosen = target.bool()
        logits = self.llama.lm_head(before[chosen])
        return F.cross_entropy(logits.float(), input_ids[chosen])

    @torch.inference_mode()
    def generate(
        self,
        queries: torch.Tensor,
        input_ids: torch.Tensor,
        mask: torch.Tensor,
        *,
        max_new_tokens: int,
        temperature: float,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """Continue the prompts word by word.

        Parameters
        ----------
        queries
            (cells, queries, query_width).
        input_ids, mask
            Left-padded token ids of the prompts and their 0/1 mask, (cells, length).
        max_new_tokens
            Longest continuation.
        temperature
            Divides the logits before a word is drawn; at 0 the likeliest word is taken.
        generator
            Source of the draws, on the CPU so that every device draws the same.

        Returns
        -------
        Ids (cells, new words); after its end a row holds the end token only.
        """
        embeddings, full_mask = self.inputs(queries, input_ids, mask)
        output = self.llama.model(
            inputs_embeds=embeddings, attention_mask=full_mask, use_cache=True
        )
        cache, hidden = output.past_key_values, output.last_hidden_state[:, -1]
        done = torch.zeros(len(queries), dtype=torch.bool, device=queries.device)
        words: list[torch.Tensor] = []
        for _ in range(max_new_tokens):
            word = _pick(self.llama.lm_head(hidden).float(), temperature, generator)
            word = torch.where(done, torch.full_like(word, self.config.eos), word)
            words.append(word)
            done = done | (word == self.config.eos)
            if bool(done.all()):
                break
            full_mask = F.pad(full_mask, (0, 1), value=1)
            output = self.llama.model(
                input_ids=word[:, None],
                attention_mask=full_mask,
                past_key_values=cache,
                use_cache=True,
            )
            cache, hidden = output.past_key_values, output.last_hidden_state[:, -1]
        return torch.stack(words, dim=1)


def _pick(
    logits: torch.Tensor, temperature: float, generator: torch.Generator | None
) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = (logits / temperature).softmax(-1).cpu()
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0].to(logits.device)


def _insert_after_padding(
    cell: torch.Tensor, words: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put the cell tokens between the left padding and the first word of every row."""
    n_cell, length = cell.shape[1], words.shape[1]
    joined = torch.cat([cell, words], dim=1)
    padding = length - mask.sum(1, keepdim=True)
    place = torch.arange(n_cell + length, device=words.device)[None]
    # Rows read: [padding words][cell][words]; index of each place in [cell][all words].
    source = torch.where(
        place < padding,
        place + n_cell,
        torch.where(place < padding + n_cell, place - padding, place),
    )
    rows = torch.arange(len(words), device=words.device)[:, None]
    return joined[rows, source], (place >= padding).long()
