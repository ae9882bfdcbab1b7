"""The network of scBERT, with the head that it was pre-trained or fine-tuned through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional as F

from scmmgpt_tl.model.performer import Performer, PerformerSizes

if TYPE_CHECKING:
    from scmmgpt_tl.model.tokens import GeneTokens


@dataclass(frozen=True)
class ScBERTConfig:
    """Sizes of the network, as the tensors tell them.

    Parameters
    ----------
    n_bins
        Values that a gene can have, those of masking and padding among them.
    n_places
        Genes, and one more.
    performer
        Sizes of the layers.
    classifier
        Widths of the classifier's layers, the last of which is the number of classes; `None` for a
        network that was pre-trained only.
    """

    n_bins: int
    n_places: int
    performer: PerformerSizes
    classifier: tuple[int, int, int] | None = None

    @property
    def width(self) -> int:
        """Width of the states."""
        return self.performer.width


@dataclass(frozen=True)
class ScBERTOptions:
    """What the vector of a cell is.

    Parameters
    ----------
    pooling
        `"mean"` of the states of all places; the state of the `"last"` place, which is no gene's;
        or the `"logits"` of a fine-tuned classifier.
    """

    pooling: Literal["mean", "last", "logits"] = "mean"


class Classifier(nn.Module):
    """One number a place, and three linear maps of these."""

    def __init__(self, width: int, n_places: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, n_classes = widths
        self.squeeze = nn.Linear(width, 1)
        self.fc1 = nn.Linear(n_places, first)
        self.fc2 = nn.Linear(first, second)
        self.fc3 = nn.Linear(second, n_classes)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map (cells, places, width) to (cells, classes)."""
        hidden = F.relu(self.squeeze(states)).squeeze(-1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(hidden)))))


class ScBERTNetwork(nn.Module):
    """All genes with their bins -> states of all places."""

    # Each head has 266 random features of query and key: 64 KiB a place, where scGPT has 20.
    place_cost: ClassVar[float] = 3.0

    def __init__(self, config: ScBERTConfig, options: ScBERTOptions | None = None) -> None:
        super().__init__()
        self.config = config
        width = config.performer.width
        self.bins = nn.Embedding(config.n_bins, width)
        self.genes = nn.Embedding(config.n_places, width)
        self.performer = Performer(config.performer)
        self.norm = nn.LayerNorm(width)
        tuned = config.classifier
        self.classifier = None if tuned is None else Classifier(width, config.n_places, tuned)
        self.reconstruct = nn.Linear(width, config.n_bins) if tuned is None else None
        self.options = options or ScBERTOptions()

    @property
    def options(self) -> ScBERTOptions:
        """What the vector of a cell is."""
        return self._options

    @options.setter
    def options(self, options: ScBERTOptions) -> None:
        if options.pooling not in {"mean", "last", "logits"}:
            msg = f"`pooling` must be 'mean', 'last' or 'logits', found {options.pooling!r}."
            raise ValueError(msg)
        if options.pooling == "logits" and self.classifier is None:
            msg = "This scBERT was pre-trained only and has no classifier. Use one fine-tuned."
            raise ValueError(msg)
        self._options = options

    def forward(self, tokens: GeneTokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode cells.

        Parameters
        ----------
        tokens
            Of the cells, from :class:`~.tokenizer.ScBERTTokenizer`.

        Returns
        -------
        States (cells, places, width) and mask (cells, places), which is True everywhere.
        """
        wrong = tokens.lengths != self.config.n_places
        if not torch.compiler.is_compiling() and bool(wrong.any()):
            msg = f"Each cell must have all {self.config.n_places} places of scBERT as tokens."
            raise ValueError(msg)
        ids, values, mask = tokens.rectangle(pad_id=0)
        hidden = self.bins(values.long()) + self.genes(ids)
        return self.norm(self.performer(hidden)), mask

    def pool(self, states: torch.Tensor, mask: torch.Tensor, tokens: GeneTokens) -> torch.Tensor:
        """Return the vector of each cell that the options name."""
        del mask, tokens
        if self.options.pooling == "last":
            return states[:, -1]
        if self.options.pooling == "logits" and self.classifier is not None:
            return self.classifier(states)
        return states.float().mean(1)

    def predict_masked(self, states: torch.Tensor) -> torch.Tensor:
        """Return the logits of the bin at each place, (cells, places, bins).

        Parameters
        ----------
        states
            From :meth:`forward`.
        """
        if self.reconstruct is None:
            msg = "This scBERT was fine-tuned and has no head for masked genes any more."
            raise ValueError(msg)
        return self.reconstruct(states)
