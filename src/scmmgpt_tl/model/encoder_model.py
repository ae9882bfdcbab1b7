"""A published cell encoder, ready to run: what all of them have in common."""

from __future__ import annotations

from copy import copy
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, cast

import torch

from .buckets import buckets, places_at_once, suits_a_core
from .exportable import Exportable
from .pooled import embed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from .cell_text_model import TextSide
    from .genes import GeneTable
    from .tokens import GeneTokens


class Tokenizer(Protocol):
    """Counts to gene tokens; numpy only."""

    def __call__(self, rows: csr_matrix) -> GeneTokens:
        """Tokenise counts (cells, genes of the encoder), sorted, without explicit zeros."""


class CellEncoder(Protocol):
    """Gene tokens to states of a cell, and these to one vector."""

    def __call__(self, tokens: GeneTokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Return states (cells, places, width) and mask (cells, places), True for a token."""

    def pool(self, states: torch.Tensor, mask: torch.Tensor, tokens: GeneTokens) -> torch.Tensor:
        """Return the published cell embedding, (cells, width)."""

    def parameters(self) -> Any:
        """As of every network."""


@dataclass(frozen=True, eq=False)
class EncoderParts:
    """What a reader makes of a published folder.

    Parameters
    ----------
    kind
        Row of the table of published encoders.
    title
        Name of the published model, with its variant.
    licence
        Of the weights, and on what grounds.
    weights
        File that they were read from.
    genes, network, tokenizer
        As in :class:`EncoderModel`.
    abilities
        What it can do, in words.
    facts
        Sizes and settings worth telling, in words.
    text
        How it reads texts, where it does.
    more_weights
        Files of further weights.
    restriction
        What the licence forbids, if that is to be said aloud whenever the folder is read.
    """

    kind: str
    title: str
    licence: str
    weights: Path
    genes: GeneTable = field(repr=False)
    network: torch.nn.Module = field(repr=False)
    tokenizer: Tokenizer = field(repr=False)
    abilities: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    text: TextSide | None = field(default=None, repr=False)
    more_weights: tuple[Path, ...] = ()
    restriction: str = ""


class CellVectors(NamedTuple):
    """What an encoder says of a batch of cells."""

    cell: torch.Tensor  # (cells, width), float32


@dataclass(frozen=True, eq=False)
class EncoderModel(Exportable):
    """A published cell encoder; see :func:`scmmgpt_tl.load_model`.

    It has no text side: :func:`scmmgpt_tl.tl.embed` takes it, the tools that read or write text
    do not.

    Parameters
    ----------
    name
        Name of the published model, with its variant.
    kind
        Which encoder, such as `"scgpt"`; embeddings are stored as `X_<kind>`.
    revision
        Beginning of the hash, since published folders bear no revision.
    sha256
        Hash of the file of weights.
    licence
        Of the weights, and on what grounds.
    genes
        Columns of the counts that :meth:`encode_cells` takes.
    network
        Gene tokens to states of a cell.
    tokenizer
        Counts to gene tokens.
    abilities
        What it can do, in words.
    facts
        Sizes and settings worth telling, in words.
    device, dtype
        Where the network runs, and in which precision.
    restriction
        What the licence forbids, if that is to be said aloud.
    """

    name: str
    kind: str
    revision: str
    sha256: str
    licence: str
    genes: GeneTable = field(repr=False)
    network: torch.nn.Module = field(repr=False)
    tokenizer: Tokenizer = field(repr=False)
    abilities: tuple[str, ...] = field(repr=False)
    facts: Mapping[str, str] = field(repr=False)
    device: torch.device
    dtype: torch.dtype
    restriction: str = field(default="", repr=False, kw_only=True)

    # Far slower than our own encoder: smaller batches, for a bar that moves and cores that finish
    # together.
    batch_sizes: ClassVar[Mapping[str, int]] = {"cpu": 4, "cuda": 1024, "mps": 256}
    """Cells a batch by default, by device."""

    @property
    def core_a_batch(self) -> bool:
        """Whether a core had better have a batch of its own than share one."""
        return suits_a_core(self.network)

    @property
    def key(self) -> str:
        """Key under which embeddings are stored by default."""
        return f"X_{self.kind}"

    def encode_cells(
        self, rows: csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> CellVectors:
        """Embed counts.

        Parameters
        ----------
        rows
            Counts, (cells, genes of the encoder).
        measured
            Not used: published encoders take a gene that was not measured for a silent one.
        """
        del measured
        return CellVectors(self.encode_tokens(self.tokenizer(rows)))

    def encode_tokens(self, tokens: GeneTokens) -> torch.Tensor:
        """Embed cells that are tokens already, (cells, width), float32.

        Cells of like length are sent together; a vector depends on its cell alone.
        """
        vectors, order = [], []
        with torch.inference_mode(), self.precision():
            for cells in buckets(tokens.lengths, budget=self.budget):
                part = tokens.take(cells).to(self.device)
                vectors.append(embed(self.network, part))
                order.append(cells)
            return torch.cat(vectors)[torch.cat(order).argsort().to(self.device)]

    @property
    def budget(self) -> int:
        """Places, padding among them, that are sent through the network together."""
        return places_at_once(self.device, self.network)

    def precision(self) -> torch.autocast:
        """Run what is inside in the model's `dtype`."""
        reduced = self.dtype != torch.float32
        return torch.autocast(
            self.device.type, dtype=self.dtype if reduced else None, enabled=reduced
        )

    def with_options(self, **options: Any) -> EncoderModel:
        """Return the model with other options of its tokenizer or network, the weights shared.

        Parameters
        ----------
        options
            Those that the encoder's page names, such as `max_length` or `pooling`.

        Raises
        ------
        ValueError
            If neither tokenizer nor network has such an option.
        """
        own = _options(self.tokenizer)
        of_tokenizer = {name: value for name, value in options.items() if name in own}
        rest = {name: value for name, value in options.items() if name not in own}
        network_options = getattr(self.network, "options", None)
        theirs = set() if network_options is None else _options(network_options)
        if unknown := rest.keys() - theirs:
            msg = (
                f"{self.name} has no option {', '.join(sorted(unknown))}. "
                f"It has {', '.join(sorted(own | theirs))}."
            )
            raise ValueError(msg)
        # A shallow copy shares all weights.
        network = copy(self.network)
        if rest:
            network.options = replace(cast("Any", network_options), **rest)
        tokenizer = replace(self.tokenizer, **of_tokenizer)  # type: ignore[type-var]
        return replace(self, network=network, tokenizer=tokenizer)


def _options(part: Any) -> set[str]:
    """Fields of a dataclass that are meant to be changed: those with a default."""
    if not is_dataclass(part):
        return set()
    return {f.name for f in fields(part) if f.default is not MISSING}
