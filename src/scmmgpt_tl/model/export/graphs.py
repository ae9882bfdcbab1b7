"""What of a model is exported: arrays of cells in, arrays of cells out, nothing ragged.

Cells are rectangles, `(cells, places)`, filled up behind the last gene of a shorter cell. How many
cells and places there are is open.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from scmmgpt_tl.model.adopted_encoder import AdoptedEncoder
from scmmgpt_tl.model.cell_part import plain_fields
from scmmgpt_tl.model.droplet_head import richness
from scmmgpt_tl.model.droplets import KINDS
from scmmgpt_tl.model.encoder_model import EncoderModel
from scmmgpt_tl.model.encoders.geneset import TARGET_SUM
from scmmgpt_tl.model.pooled import embed
from scmmgpt_tl.model.tokens import GeneTokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model.model import Model

CELLS, PLACES = "cells", "places"
_LEAST_TOTAL = 1e-12


class Port(NamedTuple):
    """An array that goes into an exported network, or comes out of it.

    Parameters
    ----------
    shape
        Its axes; `"cells"` and `"places"` are of any length, `"genes"` of that of `genes.tsv`.
    means
        What it holds, in words.
    """

    shape: tuple[str | int, ...]
    means: str


_MEASURED = Port(("genes",), "whether the data set measured the gene, in the order of genes.tsv")
_TOKENS: Final = {
    "gene_ids": Port((CELLS, PLACES), "tokens, made of counts as cell_tokenizer.json says"),
    "values": Port((CELLS, PLACES), "values of the tokens, made in the same way"),
    "mask": Port((CELLS, PLACES), "where there is a token; what else stands there has no effect"),
}


class PaddedTokens(NamedTuple):
    """Tokens of cells that are a rectangle already, in the place of `GeneTokens`."""

    gene_ids: torch.Tensor  # (cells, places)
    values: torch.Tensor  # (cells, places)
    mask: torch.Tensor  # (cells, places)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.mask.shape[0]

    @property
    def lengths(self) -> torch.Tensor:
        """Tokens of each cell, (cells,)."""
        return self.mask.sum(1)

    def rectangle(
        self, *, pad_id: int, pad_value: float = 0.0
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return ids, values and mask, with the network's own padding."""
        ids = self.gene_ids.masked_fill(~self.mask, pad_id)
        return ids, self.values.masked_fill(~self.mask, pad_value), self.mask


class EncoderGraph(nn.Module):
    """A published encoder: tokens in, cell embeddings out.

    Parameters
    ----------
    model
        Whose network it is.
    """

    inputs: ClassVar[Mapping[str, Port]] = _TOKENS

    def __init__(self, model: EncoderModel) -> None:
        super().__init__()
        self.kind, self.network, self.tokenizer = model.kind, model.network, model.tokenizer

    @property
    def tokenizer_json(self) -> str:
        """How counts become tokens, written down."""
        tokenizer = plain_fields(self.tokenizer)
        return json.dumps({"kind": self.kind, "tokenizer": tokenizer}) + "\n"

    @property
    def outputs(self) -> Mapping[str, Port]:
        """What comes out."""
        return {"cell": Port((CELLS, "width"), "embedding of the cell, as tl.embed writes it")}

    def feed(
        self, rows: csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Make the arrays that go in of counts (cells, genes); `measured` has no effect."""
        del measured
        return _padded(self.tokenizer(rows))

    def forward(
        self, gene_ids: torch.Tensor, values: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor]:
        """Embed cells."""
        tokens = PaddedTokens(gene_ids, values, mask)
        # Both kinds of tokens offer `rectangle` and `lengths`.
        return (embed(self.network, tokens),)  # type: ignore[arg-type]


class CellTextGraph(nn.Module):
    """A model of cells and texts: what :func:`scmmgpt_tl.tl.annotate` needs of cells comes out.

    Parameters
    ----------
    model
        Whose network it is.
    """

    inputs: ClassVar[Mapping[str, Port]]
    label_embeddings: torch.Tensor  # (labels, projection)

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network, self.n_genes = model.network, len(model.genes)
        vectors = torch.from_numpy(np.array(model.label_embeddings))
        self.register_buffer("label_embeddings", vectors)

    @property
    def outputs(self) -> Mapping[str, Port]:
        """What comes out."""
        n_labels, width = self.label_embeddings.shape
        n_queries = self.network.config.bridge.n_queries
        kinds = ", ".join(KINDS)
        return {
            "cell": Port((CELLS, width), "embedding of the cell, of unit length"),
            "projected": Port((CELLS, n_queries, width), "its vectors to be compared with texts"),
            "cosine": Port((CELLS, n_labels), "largest cosine of these with each label"),
            "droplet": Port((CELLS, len(KINDS)), f"chances that the droplet holds: {kinds}"),
        }

    def judge(
        self,
        states: torch.Tensor,
        mask: torch.Tensor,
        *,
        n_expressed: torch.Tensor,
        measured: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Say of cells what comes out.

        Parameters
        ----------
        states, mask
            Of the cell encoder, (cells, states, width) and (cells, states).
        n_expressed
            Genes of the model with a count above zero, (cells,).
        measured
            Which genes the data set measured, (genes,).
        """
        said = self.network.read_states(states, mask)
        cosine = torch.einsum("cqp,tp->cqt", said.projected, self.label_embeddings).amax(1)
        found = richness(n_expressed, measured.sum())
        droplet = self.network.droplet_head(said.mean, found).softmax(-1)
        return said.cell, said.projected, cosine, droplet


class OwnGraph(CellTextGraph):
    """A model with our own cell encoder: counts in."""

    tokenizer_json: ClassVar[None] = None

    inputs: ClassVar[Mapping[str, Port]] = {
        "gene_ids": Port(
            (CELLS, PLACES), "expressed genes of the cell, rows of genes.tsv from 0; each once"
        ),
        "counts": Port((CELLS, PLACES), "their raw counts; 0 behind the last gene of the cell"),
        "measured": _MEASURED,
    }

    def feed(
        self, rows: csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Make the arrays that go in of counts (cells, genes)."""
        tokens = GeneTokens.from_numpy(
            rows.indices.astype(np.int64),
            rows.data.astype(np.float32),
            rows.indptr.astype(np.int64),
        )
        ids, counts, _ = tokens.rectangle(pad_id=0)
        panel = _panel(measured, self.n_genes)
        return {"gene_ids": ids.numpy(), "counts": counts.numpy(), "measured": panel}

    def forward(
        self, gene_ids: torch.Tensor, counts: torch.Tensor, measured: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Read cells."""
        encoder: Any = self.network.cell_encoder
        total = counts.sum(1, keepdim=True).clamp_min(_LEAST_TOTAL)
        values = F.normalize(torch.log1p(counts * (TARGET_SUM / total)), dim=-1)
        hidden = (values[:, None] @ encoder.genes.weight[gene_ids]).squeeze(1)
        average = encoder.average_cell(measured.float()) @ encoder.genes.weight
        states, mask = encoder.refine(hidden, average)
        return self.judge(states, mask, n_expressed=(counts > 0).sum(1), measured=measured)


class AdoptedGraph(CellTextGraph):
    """A model whose cell encoder is a published one: its tokens in."""

    inputs: ClassVar[Mapping[str, Port]] = _TOKENS | {
        "n_expressed": Port((CELLS,), "genes of genes.tsv with a count above zero"),
        "measured": _MEASURED,
    }

    @property
    def tokenizer_json(self) -> str:
        """How counts become tokens, written down."""
        return self.network.cell_encoder.tokenizer.to_json()  # type: ignore[union-attr]

    def feed(
        self, rows: csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Make the arrays that go in of counts (cells, genes)."""
        n_expressed = np.diff(rows.indptr).astype(np.int64)
        tokens = _padded(self.network.cell_encoder.tokenizer(rows))
        panel = _panel(measured, self.n_genes)
        return tokens | {"n_expressed": n_expressed, "measured": panel}

    def forward(
        self,
        gene_ids: torch.Tensor,
        values: torch.Tensor,
        mask: torch.Tensor,
        n_expressed: torch.Tensor,
        measured: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Read cells."""
        encoder: Any = self.network.cell_encoder
        states, seen = encoder.encode_together(PaddedTokens(gene_ids, values, mask))
        return self.judge(states, seen, n_expressed=n_expressed, measured=measured)


def graph_of(model: Model | EncoderModel) -> OwnGraph | AdoptedGraph | EncoderGraph:
    """Return what is exported of a model; weights are shared with it.

    Parameters
    ----------
    model
        Any that embeds cells.
    """
    if isinstance(model, EncoderModel):
        return EncoderGraph(model).eval()
    if isinstance(model.network.cell_encoder, AdoptedEncoder):
        return AdoptedGraph(model).eval()
    return OwnGraph(model).eval()


def _padded(tokens: GeneTokens) -> dict[str, NDArray[Any]]:
    rectangle = tokens.rectangle(pad_id=0)
    return {name: part.numpy() for name, part in zip(_TOKENS, rectangle, strict=True)}


def _panel(measured: NDArray[np.bool_] | None, n_genes: int) -> NDArray[np.bool_]:
    return np.ones(n_genes, dtype=np.bool_) if measured is None else measured
