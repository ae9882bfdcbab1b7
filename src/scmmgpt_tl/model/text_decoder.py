"""Written language from cells: a language model that reads query states as soft ``<cell>`` tokens."""

from __future__ import annotations

import sys
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn import functional as F
from transformers import GenerationConfig, LogitsProcessor

from .language_model import build_language_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from scmmgpt_tl.model.config import DecoderConfig


class TextDecoder(nn.Module):
    """``<cell> q1 ... qn </cell> prompt -> text``.

    The query states are projected to the decoder's width; the two brackets are learned vectors
    of their own, so the vocabulary of the language model stays as it was.
    """

    def __init__(
        self,
        config: DecoderConfig,
        *,
        query_width: int,
        language_model: PreTrainedModel | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.language_model = language_model or build_language_model(config)
        # Of what the words are read as, which some families project to their own width.
        words = cast("nn.Embedding", self.language_model.get_input_embeddings())
        width = words.weight.shape[1]
        self.projection = nn.Sequential(
            nn.Linear(query_width, width),
            nn.GELU(),
            nn.Linear(width, width),
        )
        self.brackets = nn.Parameter(torch.empty(2, width).normal_(std=0.02))

    def soft_tokens(self, queries: torch.Tensor) -> torch.Tensor:
        """Return ``<cell> q1 ... qn </cell>`` as vectors, (cells, queries + 2, hidden)."""
        inner = self.projection(queries)
        open_, close = self.brackets[:, None, None].expand(-1, len(queries), 1, -1)
        return torch.cat([open_, inner, close], dim=1)

    def inputs(
        self, queries: torch.Tensor, input_ids: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embeddings and mask of left-padded prompts with the cell tokens before them.

        Raises
        ------
        ValueError
            If they are longer than what the language model can read.
        """
        words = self.language_model.get_input_embeddings()(input_ids)
        cell = self.soft_tokens(queries).to(words.dtype)
        if (length := cell.shape[1] + words.shape[1]) > self.n_positions:
            msg = (
                f"The tokens of a cell and its text are {length} together; the language model reads "
                f"{self.n_positions}. Shorten the text, or take another language model."
            )
            raise ValueError(msg)
        return _insert_after_padding(cell, words, mask)

    @property
    def n_positions(self) -> int:
        """Tokens that the language model can read."""
        return getattr(self.language_model.config, "max_position_embeddings", None) or sys.maxsize

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
        chosen = target.bool()
        # Words before the first that is to be predicted in any row need no logits.
        n_last = chosen.shape[1] - int(chosen.any(0).int().argmax())
        logits = self.language_model(
            inputs_embeds=embeddings,
            attention_mask=full_mask,
            logits_to_keep=n_last + 1,
            use_cache=False,
            **self._places(full_mask),
        ).logits[:, :-1]
        chosen = chosen[:, -n_last:]
        return F.cross_entropy(logits[chosen].float(), input_ids[:, -n_last:][chosen])

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

        Raises
        ------
        ValueError
            If the prompts leave no place for a word.
        """
        embeddings, full_mask = self.inputs(queries, input_ids, mask)
        if (length := embeddings.shape[1]) == self.n_positions:
            msg = (
                f"The tokens of a cell and its prompt are {length} together, which is all that the "
                "language model reads: no word can follow. Shorten the prompt, or take another "
                "language model."
            )
            raise ValueError(msg)
        return cast("Any", self.language_model).generate(
            inputs_embeds=embeddings,
            attention_mask=full_mask,
            generation_config=GenerationConfig(
                max_new_tokens=min(max_new_tokens, self.n_positions - length),
                do_sample=False,
                eos_token_id=self.config.eos,
                pad_token_id=self.config.eos,
            ),
            logits_processor=[_Draw(temperature, generator)] if temperature else None,
        )

    def _places(self, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Number the words of each row from its first, not from the padding before it."""
        if "position_ids" not in signature(self.language_model.forward).parameters:
            return {}  # Such a family knows of distances alone, or reads in order.
        return {"position_ids": (mask.cumsum(1) - 1).clamp_min(0)}


class _Draw(LogitsProcessor):
    """Leaves the word that it drew as the only choice: transformers draws from a global state."""

    def __init__(self, temperature: float, generator: torch.Generator | None) -> None:
        self._temperature, self._generator = temperature, generator

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        chances = (scores.float() / self._temperature).softmax(-1).cpu()
        word = torch.multinomial(chances, 1, generator=self._generator).to(scores.device)
        return torch.full_like(scores, -torch.inf).scatter(1, word, 0.0)


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
