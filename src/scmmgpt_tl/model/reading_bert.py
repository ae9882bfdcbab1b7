"""A BERT that reads cells: in some of its layers, rows attend to what a cell encoder said.

The keys and values of a cell do not depend on what is asked of it. They are computed once a cell,
and all texts that are compared with it use them as they are.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

import torch
from torch import nn

from .attention import attend
from .transformer import TransformerLayer, attended_places

if TYPE_CHECKING:
    from .bert import BertSizes


READING_RULES: Final = (
    (r"^bert\.", ""),
    (r"^embeddings\.word_embeddings\.", "tokens."),
    (r"^embeddings\.position_embeddings\.", "positions."),
    (r"^embeddings\.LayerNorm\.", "norm."),
    (r"^encoder\.layer\.", "layers."),
    (r"\.attention\.self\.", "."),
    (r"\.attention\.output\.dense\.", ".out."),
    (r"\.attention\.output\.LayerNorm\.", ".norm1."),
    (r"\.crossattention\.self\.query\.", ".reading.ask."),
    (r"\.crossattention\.self\.(key|value)\.", r".reading.\1s."),
    (r"\.crossattention\.output\.dense\.", ".reading.out."),
    (r"\.crossattention\.output\.LayerNorm\.", ".reading.norm."),
    (r"\.intermediate_query\.dense\.", ".queries.expand."),
    (r"\.output_query\.dense\.", ".queries.contract."),
    (r"\.output_query\.LayerNorm\.", ".queries.norm."),
    (r"\.intermediate\.dense\.", ".expand."),
    (r"\.output\.dense\.", ".contract."),
    (r"\.output\.LayerNorm\.", ".norm2."),
)
"""From published names to those of :class:`ReadingBert`, before attention is joined."""


class Memory(NamedTuple):
    """Keys and values of cells, for each layer that reads them."""

    keys: tuple[torch.Tensor, ...]  # (cells, heads, places, head width) each
    values: tuple[torch.Tensor, ...]  # as the keys
    mask: torch.Tensor | None  # (cells, places), True where there is a token; None for everywhere


class Reading(nn.Module):
    """Attention from rows to the states of a cell."""

    def __init__(self, sizes: BertSizes, memory_width: int) -> None:
        super().__init__()
        self.n_heads = sizes.n_heads
        self.ask = nn.Linear(sizes.width, sizes.width)
        self.keys = nn.Linear(memory_width, sizes.width)
        self.values = nn.Linear(memory_width, sizes.width)
        self.out = nn.Linear(sizes.width, sizes.width)
        self.norm = nn.LayerNorm(sizes.width, eps=sizes.eps)

    def remember(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys and values of states (cells, places, memory width)."""
        return self._heads(self.keys(states)), self._heads(self.values(states))

    def forward(
        self,
        hidden: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        """Let rows (cells x texts, rows, width) read their cell; texts of a cell stand together."""
        # The rows of all texts side by side: so no text needs a copy of the keys and values.
        together = hidden.reshape(keys.shape[0], -1, hidden.shape[-1])
        seen = attend(self._heads(self.ask(together)), keys, values, mask)
        found = self.out(seen.transpose(1, 2).flatten(2))
        return self.norm(hidden + found.reshape(hidden.shape))

    def _heads(self, states: torch.Tensor) -> torch.Tensor:
        return states.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)


class Queries(nn.Module):
    """The second half of a layer, for rows that read."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.activation = nn.functional.relu if sizes.activation == "relu" else nn.functional.gelu
        self.expand = nn.Linear(sizes.width, sizes.inner)
        self.contract = nn.Linear(sizes.inner, sizes.width)
        self.norm = nn.LayerNorm(sizes.width, eps=sizes.eps)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (..., width) to the same."""
        return self.norm(hidden + self.contract(self.activation(self.expand(hidden))))


class ReadingLayer(TransformerLayer):
    """A layer whose first rows may read a cell between their two halves."""

    def __init__(self, sizes: BertSizes, memory_width: int | None, *, apart: bool) -> None:
        super().__init__(
            width=sizes.width,
            n_heads=sizes.n_heads,
            inner=sizes.inner,
            activation=sizes.activation,
            eps=sizes.eps,
            dropout=sizes.dropout,
        )
        self.reading = None if memory_width is None else Reading(sizes, memory_width)
        self.queries = Queries(sizes) if apart else None


class ReadingBert(nn.Module):
    """BERT over words, or over queries, or over both, that can read cells.

    Parameters
    ----------
    sizes
        Of the network.
    memory_width
        Width of the states of cells.
    every
        1 if each layer reads, 2 if every other one does, from the first.
    apart
        Whether rows that read have a feed-forward part of their own.
    words
        Whether there is a table of words; without, the network takes queries alone.
    """

    def __init__(
        self,
        sizes: BertSizes,
        *,
        memory_width: int,
        every: int = 1,
        apart: bool = False,
        words: bool = True,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(sizes.n_tokens, sizes.width) if words else None
        self.positions = nn.Embedding(sizes.n_positions, sizes.width) if words else None
        self.norm = nn.LayerNorm(sizes.width, eps=sizes.eps)
        self.dropout = nn.Dropout(sizes.dropout)
        self.layers = nn.ModuleList(
            ReadingLayer(sizes, None if i % every else memory_width, apart=apart)
            for i in range(sizes.n_layers)
        )

    def remember(self, states: torch.Tensor, mask: torch.Tensor) -> Memory:
        """Compute once what every reading of cells needs.

        Parameters
        ----------
        states
            Of the cells, (cells, places, memory width).
        mask
            (cells, places), True where there is a token.
        """
        found = [layer.reading.remember(states) for layer in self.layers if layer.reading]  # type: ignore[union-attr, operator]
        keys, values = zip(*found, strict=True)
        return Memory(keys, values, attended_places(mask))

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Return words with their places, not yet normalised, (texts, words, width)."""
        if self.tokens is None or self.positions is None:
            msg = "The checkpoint has no weights for words, which this call needs."
            raise ValueError(msg)
        return self.tokens(ids) + self.positions.weight[: ids.shape[1]]

    def forward(
        self,
        rows: torch.Tensor,
        mask: torch.Tensor,
        memory: Memory | None = None,
        *,
        n_reading: int = 0,
    ) -> torch.Tensor:
        """Refine rows.

        Parameters
        ----------
        rows
            Queries, words, or queries and then words, not yet normalised, (n, rows, width); of
            those that read, each cell's texts stand together.
        mask
            (n, rows), True where there is one.
        memory
            Of the cells.
        n_reading
            How many rows read their cell, from the first.

        Returns
        -------
        States of the rows.
        """
        hidden = self.dropout(self.norm(rows))
        attended = attended_places(mask)
        pairs = iter(()) if memory is None else zip(memory.keys, memory.values, strict=True)
        for layer in self.layers:
            hidden = layer.look(hidden, attended)  # type: ignore[operator]
            read, rest = hidden[:, :n_reading], hidden[:, n_reading:]
            if memory is not None and layer.reading is not None:
                read = layer.reading(read, *next(pairs), memory.mask)  # type: ignore[operator]
            parts = chain(
                [(layer.queries or layer.think, read)] if n_reading else [],
                [(layer.think, rest)] if rest.shape[1] else [],
            )
            hidden = torch.cat([step(part) for step, part in parts], dim=1)  # type: ignore[operator]
        return hidden
