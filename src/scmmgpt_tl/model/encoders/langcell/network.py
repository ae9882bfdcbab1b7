"""The networks of LangCell: a BERT over ranked genes, and one over words that can read the first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional as F

from scmmgpt_tl.model.bert import Bert, BertSizes
from scmmgpt_tl.model.reading_bert import ReadingBert

if TYPE_CHECKING:
    from scmmgpt_tl.model.reading_bert import Memory
    from scmmgpt_tl.model.tokens import GeneTokens

TEMPERATURE = 0.05


@dataclass(frozen=True)
class LangCellOptions:
    """What the embedding of a cell is, and how texts are scored.

    Parameters
    ----------
    pooling
        `"shared"` for the unit vector in the space of cells and texts, `"cls"` for the state of
        `<cls>` that it is made from.
    share
        Weight of similarity beside matching in the score of a text: one half by the published
        rule, 0.1 in the published evaluation on 10,000 blood cells.
    """

    pooling: Literal["shared", "cls"] = "shared"
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.pooling not in {"shared", "cls"} or not 0 <= self.share <= 1:
            msg = f"`pooling` must be 'shared' or 'cls' and `share` from 0 to 1, found {self}."
            raise ValueError(msg)


@dataclass(frozen=True)
class RankedCellsConfig(BertSizes):
    """Sizes of the network of cells, and its token that is no gene.

    Parameters
    ----------
    pad
        Token that fills the free places of a cell.
    """

    pad: int


class RankedCells(Bert):
    """Gene tokens -> states of genes, that of `<cls>` first."""

    def __init__(self, config: RankedCellsConfig) -> None:
        super().__init__(config)
        self.config = config

    def forward(
        self, tokens: GeneTokens, *, n_places: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return states (cells, places, width), of all or the first places, and mask."""
        ids, _, mask = tokens.rectangle(pad_id=self.config.pad)
        return self.encode(ids, mask, n_places=n_places), mask


class LangCellNetwork(nn.Module):
    """Gene tokens and words -> a shared space, and the chance that they belong together.

    Parameters
    ----------
    cells, texts
        Sizes of the two networks.
    projection
        Width of the shared space.
    pad
        Token that fills the free places of a cell.
    """

    pools_first: ClassVar[bool] = True

    def __init__(self, cells: BertSizes, texts: BertSizes, *, projection: int, pad: int) -> None:
        super().__init__()
        self.options = LangCellOptions()
        self.cells = RankedCells(RankedCellsConfig(**asdict(cells), pad=pad))
        self.texts = ReadingBert(texts, memory_width=cells.width)
        self.cell_projection = nn.Linear(cells.width, projection)
        self.text_projection = nn.Linear(texts.width, projection)
        self.match_head = nn.Linear(texts.width, 2)

    def forward(
        self, tokens: GeneTokens, *, n_places: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode cells.

        Parameters
        ----------
        tokens
            Of the cells, `<cls>` first.
        n_places
            Places whose states are wanted, from the first; by default all.

        Returns
        -------
        States (cells, places, width) and mask (cells, places), True where there is a token.
        """
        states, mask = self.cells(tokens, n_places=n_places)
        return states, mask

    def pool(self, states: torch.Tensor, mask: torch.Tensor, tokens: GeneTokens) -> torch.Tensor:
        """Return the cell embedding that the options name, (cells, width)."""
        del mask, tokens
        return self._project(states) if self.options.pooling == "shared" else states[:, 0]

    def embed_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (texts, projection): the first state, projected."""
        states = self.texts(self.texts.embed(ids), mask)
        return F.normalize(self.text_projection(states[:, 0]).float(), dim=-1)

    def remember(self, states: torch.Tensor, mask: torch.Tensor) -> Memory:
        """Compute once what all texts need of the states of cells."""
        return self.texts.remember(states, mask)

    def similarity(self, states: torch.Tensor, memory: Memory, text: torch.Tensor) -> torch.Tensor:
        """Return cosines (cells, texts) with unit vectors of texts."""
        del memory
        return self._project(states) @ text.T

    def match(self, memory: Memory, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the chances (cells, texts) that texts describe cells."""
        n_cells, n_texts = len(memory.keys[0]), len(ids)
        rows = self.texts.embed(ids).repeat(n_cells, 1, 1)
        states = self.texts(rows, mask.repeat(n_cells, 1), memory, n_reading=ids.shape[1])
        chances = self.match_head(states[:, 0]).float().softmax(-1)[:, 1]
        return chances.reshape(n_cells, n_texts)

    def weigh(self, cosine: torch.Tensor, match: torch.Tensor) -> torch.Tensor:
        """Return scores (cells, texts): a mean of two softmaxes over the texts."""
        share = self.options.share
        return share * (cosine / TEMPERATURE).softmax(-1) + (1 - share) * match.softmax(-1)

    def _project(self, states: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.cell_projection(states[:, 0]).float(), dim=-1)
