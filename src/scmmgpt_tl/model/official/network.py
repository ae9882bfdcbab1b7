"""The network of the published scMMGPT: scGPT read by a Q-Former, and what is made of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn
from torch.nn import functional as F

from scmmgpt_tl.model.reading_bert import ReadingBert

if TYPE_CHECKING:
    from scmmgpt_tl.model.bert import BertSizes
    from scmmgpt_tl.model.encoders.scgpt.network import ScGPTNetwork
    from scmmgpt_tl.model.reading_bert import Memory
    from scmmgpt_tl.model.tokens import GeneTokens

TEMPERATURE = 0.1


@dataclass(frozen=True)
class OfficialOptions:
    """What the embedding of a cell is, and how texts are scored.

    The publication defines neither which vector is the embedding of a cell, nor the share.

    Parameters
    ----------
    pooling
        `"shared"` for the mean of the projected queries, at unit length, which stage 1 has;
        `"queries"` for the mean of the queries' states; `"cls"` for scGPT's state of `<cls>`.
    share
        Weight of similarity beside matching in the score of a text.
    """

    pooling: Literal["shared", "queries", "cls"] = "shared"
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.pooling not in {"shared", "queries", "cls"} or not 0 <= self.share <= 1:
            msg = f"`pooling` must be 'shared', 'queries' or 'cls' and `share` from 0 to 1, found {self}."
            raise ValueError(msg)


@dataclass(frozen=True)
class BridgeSizes:
    """What the tensors of a checkpoint tell of its Q-Former and heads.

    Parameters
    ----------
    bert
        Sizes of the Q-Former.
    every
        How many layers lie between two that read cells, and one.
    n_queries
        How many queries.
    projection
        Width of the shared space, 0 where there is none.
    llm_inner, llm_width
        Widths of the map to a language model, 0 where there is none.
    """

    bert: BertSizes
    every: int
    n_queries: int
    projection: int = 0
    llm_inner: int = 0
    llm_width: int = 0


class OfficialNetwork(nn.Module):
    """Gene tokens and words -> a shared space, and the chance that they belong together.

    Parameters
    ----------
    cell_encoder
        Of the cells.
    sizes
        Of all the rest; without a shared space there are no words either.
    """

    def __init__(self, cell_encoder: ScGPTNetwork, sizes: BridgeSizes) -> None:
        super().__init__()
        width, hidden = cell_encoder.config.width, sizes.bert.width
        stage1 = bool(sizes.projection)
        self.cell_encoder = cell_encoder
        self.cell_norm = nn.LayerNorm(width)
        self.qformer = ReadingBert(
            sizes.bert, memory_width=width, every=sizes.every, apart=stage1, words=stage1
        )
        self.queries = nn.Parameter(torch.empty(1, sizes.n_queries, hidden))
        self.cell_projection = nn.Linear(hidden, sizes.projection) if stage1 else None
        self.text_projection = nn.Linear(hidden, sizes.projection) if stage1 else None
        self.match_head = nn.Linear(hidden, 2) if stage1 else None
        self.llm_projection = (
            nn.Sequential(
                nn.Linear(hidden, sizes.llm_inner),
                nn.ReLU(),
                nn.Linear(sizes.llm_inner, sizes.llm_width),
            )
            if sizes.llm_width
            else None
        )
        self.options = OfficialOptions(pooling="shared" if stage1 else "queries")

    @property
    def options(self) -> OfficialOptions:
        """What the embedding of a cell is, and how texts are scored."""
        return self._options

    @options.setter
    def options(self, options: OfficialOptions) -> None:
        if options.pooling == "shared" and self.cell_projection is None:
            msg = "A checkpoint of stage 2 has no space of cells and texts. Use 'queries' or 'cls'."
            raise ValueError(msg)
        self._options = options

    def forward(self, tokens: GeneTokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode cells by scGPT.

        Parameters
        ----------
        tokens
            Of the cells, `<cls>` first.

        Returns
        -------
        States (cells, places, width) and mask (cells, places), True where there is a token.
        """
        return self.cell_encoder(tokens)

    def pool(self, states: torch.Tensor, mask: torch.Tensor, tokens: GeneTokens) -> torch.Tensor:
        """Return the cell embedding that the options name, (cells, width)."""
        del tokens
        match self.options.pooling:
            case "cls":
                return states[:, 0]
            case "queries":
                return self.read(self.remember(states, mask)).mean(1)
            case _:
                return F.normalize(self._project(self.remember(states, mask)).mean(1), dim=-1)

    def remember(self, states: torch.Tensor, mask: torch.Tensor) -> Memory:
        """Compute once what queries and texts need of the states of cells."""
        return self.qformer.remember(self.cell_norm(states.float()), mask)

    def read(self, memory: Memory) -> torch.Tensor:
        """Let the queries read cells: their states, (cells, queries, hidden)."""
        rows = self.queries.expand(memory.keys[0].shape[0], -1, -1)
        seen = torch.ones(rows.shape[:2], dtype=torch.bool, device=rows.device)
        return self.qformer(rows, seen, memory, n_reading=rows.shape[1])

    def llm_tokens(self, memory: Memory) -> torch.Tensor:
        """Return what a language model of stage 2 is shown of cells, (cells, queries, width)."""
        if self.llm_projection is None:
            msg = "A checkpoint of stage 1 has no map to a language model; one of stage 2 has."
            raise ValueError(msg)
        return self.llm_projection(self.read(memory))

    def embed_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (texts, projection): the first state, projected."""
        states = self.qformer(self.qformer.embed(ids), mask)
        return F.normalize(_present(self.text_projection)(states[:, 0]).float(), dim=-1)

    def similarity(self, states: torch.Tensor, memory: Memory, text: torch.Tensor) -> torch.Tensor:
        """Return the cosine of each text with a cell's best query, (cells, texts)."""
        del states
        return torch.einsum("cqp,tp->cqt", self._project(memory), text).amax(1)

    def match(self, memory: Memory, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the chances (cells, texts) that texts describe cells."""
        n_cells, n_texts, n = len(memory.keys[0]), len(ids), self.queries.shape[1]
        queries = self.queries.expand(n_texts, -1, -1)
        rows = torch.cat([queries, self.qformer.embed(ids)], dim=1).repeat(n_cells, 1, 1)
        seen = F.pad(mask, (n, 0), value=True).repeat(n_cells, 1)
        states = self.qformer(rows, seen, memory, n_reading=n)
        logits = _present(self.match_head)(states[:, :n]).float().mean(1)
        return logits.softmax(-1)[:, 1].reshape(n_cells, n_texts)

    def weigh(self, cosine: torch.Tensor, match: torch.Tensor) -> torch.Tensor:
        """Return scores (cells, texts): similarity over temperature, and the chance of matching."""
        share = self.options.share
        return share * cosine / TEMPERATURE + (1 - share) * match

    def _project(self, memory: Memory) -> torch.Tensor:
        return F.normalize(_present(self.cell_projection)(self.read(memory)).float(), dim=-1)


def _present(head: nn.Module | None) -> nn.Module:
    if head is None:
        msg = "A checkpoint of stage 2 has no weights for texts; one of stage 1 has."
        raise ValueError(msg)
    return head
