"""A published model of cells and texts, ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import torch

from .buckets import buckets
from .encoder_model import CellEncoder, EncoderModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from .genes import GeneTable
    from .reading_bert import Memory
    from .words import Words


class CellTextNetwork(CellEncoder, Protocol):
    """What every published network of cells and texts offers."""

    def embed_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (texts, width)."""

    def remember(self, states: torch.Tensor, mask: torch.Tensor) -> Memory:
        """Compute once what all texts need of the states of cells."""

    def similarity(self, states: torch.Tensor, memory: Memory, text: torch.Tensor) -> torch.Tensor:
        """Return cosines (cells, texts) with unit vectors of texts."""

    def match(self, memory: Memory, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the chances (cells, texts) that texts describe cells."""

    def weigh(self, cosine: torch.Tensor, match: torch.Tensor) -> torch.Tensor:
        """Return scores (cells, texts) by the published rule."""


class Comparison(NamedTuple):
    """Cells beside texts, (cells, texts) each."""

    cosine: torch.Tensor  # in the shared space, float32
    match: torch.Tensor  # chance that the text describes the cell, float32
    score: torch.Tensor  # of both, by the published rule, float32


@dataclass(frozen=True, eq=False)
class TextSide:
    """How a published model reads texts.

    Parameters
    ----------
    words
        Texts to word pieces.
    template
        How a label was written in its training, with `{name}` and `{description}`.
    softmax
        Whether it takes a softmax to make the scores of a cell add up to 1.
    """

    words: Words
    template: str
    softmax: bool = False


@dataclass(frozen=True, eq=False)
class CellTextModel(EncoderModel):
    """A published model that compares cells with texts; see :func:`scmmgpt_tl.load_model`.

    :func:`scmmgpt_tl.tl.embed` embeds cells with it and :func:`scmmgpt_tl.tl.annotate` scores
    labels by its own rule. It writes no text.

    Parameters
    ----------
    name, kind, revision, sha256, licence, genes, network, tokenizer, abilities, facts
        As in :class:`EncoderModel`.
    device, dtype
        As there.
    text
        How it reads texts.
    """

    text: TextSide = field(repr=False)

    def embed_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors of texts, (texts, width), float32."""
        return self.asking(texts).vectors.cpu().numpy()

    def asking(self, texts: Sequence[str]) -> Questions:
        """Read texts once, to compare any number of cells with them.

        Parameters
        ----------
        texts
            As the model was trained to read them; :meth:`label_text` writes labels so.

        Raises
        ------
        FileNotFoundError
            If the folder has no vocabulary of words.
        ValueError
            If nothing can be read in a text, or the checkpoint has no weights for words.
        """
        ids, mask = self.text.words(texts)
        vectors = torch.empty(0)
        with torch.inference_mode(), self.precision():
            for i, (some, *asked) in enumerate(_parts(ids, mask, self)):
                found = self._network.embed_text(*asked).float()
                if i == 0:
                    vectors = found.new_empty(len(texts), found.shape[1])
                vectors[some.to(found.device)] = found
        return Questions(self, ids, mask, vectors)

    def zero_shot(self, rows: csr_matrix, texts: Sequence[str]) -> NDArray[np.float32]:
        """Score texts for cells by the published rule.

        Parameters
        ----------
        rows
            Counts, (cells, genes of the model).
        texts
            One for each label, as :meth:`label_text` writes them.

        Returns
        -------
        Scores (cells, texts), the higher the better.

        Raises
        ------
        FileNotFoundError
            If the folder has no vocabulary of words.
        ValueError
            If nothing can be read in a text, or the checkpoint has no weights for words.
        """
        return self.asking(texts).encode_cells(rows).score.numpy()

    def shares(self, score: torch.Tensor) -> torch.Tensor:
        """Return shares that add up to 1 in each cell: the scores, where their rule gives such."""
        return score.softmax(-1) if self.text.softmax else score

    def label_text(self, name: str, description: str = "") -> str:
        """Write a label as the model was trained to read it."""
        return self.text.template.format(name=name, description=description).strip(" :")

    @property
    def _network(self) -> CellTextNetwork:
        return cast("CellTextNetwork", self.network)


@dataclass(frozen=True, eq=False)
class Questions:
    """Texts that a model has read, to be compared with cells.

    Parameters
    ----------
    model
        Reads the cells.
    ids, mask
        Word pieces, (texts, words).
    vectors
        Unit vectors of the texts, (texts, width).
    """

    model: CellTextModel
    ids: torch.Tensor
    mask: torch.Tensor
    vectors: torch.Tensor

    @property
    def genes(self) -> GeneTable:
        """Columns of the counts."""
        return self.model.genes

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """In which precision it runs."""
        return self.model.dtype

    @property
    def batch_sizes(self) -> Mapping[str, int]:
        """Cells a batch by default, by device."""
        return self.model.batch_sizes

    @property
    def core_a_batch(self) -> bool:
        """Whether a core had better have a batch of its own than share one."""
        return self.model.core_a_batch

    def encode_cells(
        self, rows: csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> Comparison:
        """Compare each cell with each text; keys and values are computed once a cell.

        Parameters
        ----------
        rows
            Counts, (cells, genes of the model).
        measured
            Not used.
        """
        del measured
        model, network = self.model, self.model._network
        tokens = model.tokenizer(rows)
        cosine = torch.empty(tokens.n_cells, len(self.ids))
        match = torch.empty_like(cosine)
        with torch.inference_mode(), model.precision():
            for cells in buckets(tokens.lengths, budget=model.budget):
                states, mask = network(tokens.take(cells).to(model.device))
                memory = network.remember(states, mask)
                cosine[cells] = network.similarity(states, memory, self.vectors).float().cpu()
                for some, *asked in _parts(self.ids, self.mask, model, n_cells=len(cells)):
                    found = network.match(memory, *asked).float().cpu()
                    match[cells[:, None], some] = found
        return Comparison(cosine, match, network.weigh(cosine, match))


def _parts(
    ids: torch.Tensor, mask: torch.Tensor, model: CellTextModel, *, n_cells: int = 1
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Texts of like length together: their places, and their words on the model's device."""
    lengths = mask.sum(1)
    for some in buckets(lengths, budget=max(model.budget // n_cells, 1)):
        width = int(lengths[some].max())
        yield some, ids[some, :width].to(model.device), mask[some, :width].to(model.device)
