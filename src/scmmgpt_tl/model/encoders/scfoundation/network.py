"""The networks of scFoundation: encoders of cells, and the autoencoder that tells of every gene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, cast, get_args

import torch
from torch import nn

from scmmgpt_tl.model.padding import masked_mean
from scmmgpt_tl.model.performer import Performer, PerformerSizes
from scmmgpt_tl.model.transformer import Transformer

from .values import ValueEmbedding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scmmgpt_tl.model.tokens import GeneTokens

Part = Literal["cell", "rde", "gene"]


@dataclass(frozen=True)
class ScFoundationConfig:
    """Sizes of one part, as they lie in `models.ckpt`.

    Parameters
    ----------
    n_genes
        Genes; tokens of T and S follow them.
    width, n_layers, n_heads
        Sizes of the encoder.
    n_bins, alpha
        Bins of the value embedding, and the weight of its shortcut.
    decoder
        Sizes of the decoder, `None` where it is not used.
    decoder_dropout
        Share of hidden units dropped in training.
    """

    n_genes: int
    width: int
    n_layers: int
    n_heads: int
    n_bins: int
    alpha: float
    decoder: PerformerSizes | None = None
    decoder_dropout: float = 0.0


@dataclass(frozen=True)
class ScFoundationOptions:
    """What the embedding of a cell is.

    Parameters
    ----------
    pooling
        `"all"` for the states of S and T and the largest and mean values over genes, one behind
        the other, (4 x width); or `"max"` for the largest over all of these, (width).
    part
        Weights that embed: `"cell"`; `"rde"`, for the enhancement of read depth; or `"gene"`, what
        the autoencoder makes of a cell before its decoder tells of every gene.
    """

    pooling: Literal["all", "max"] = "all"
    part: Part = "cell"


class CellEncoder(nn.Module):
    """Expressed genes and depths -> their states."""

    # Half as wide again as scGPT, and four times that within a layer: 43 KiB a place, not 20.
    place_cost: ClassVar[float] = 2.0

    def __init__(self, config: ScFoundationConfig) -> None:
        super().__init__()
        self.config = config
        self.pad = config.n_genes + 2
        self.values = ValueEmbedding(config.n_bins, config.width, alpha=config.alpha)
        self.positions = nn.Embedding(config.n_genes + 3, config.width)
        self.transformer = Transformer(
            width=config.width,
            n_layers=config.n_layers,
            n_heads=config.n_heads,
            inner=4 * config.width,
            dropout=0.1,
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, tokens: GeneTokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Return states (cells, places, width) and mask (cells, places)."""
        ids, values, mask = tokens.rectangle(pad_id=self.pad)
        hidden = self.values(values) + self.positions(ids)
        return self.norm(self.transformer(hidden, mask)), mask


class GeneAutoencoder(nn.Module):
    """Expressed genes and depths -> states of all genes, silent ones among them."""

    def __init__(self, config: ScFoundationConfig, sizes: PerformerSizes) -> None:
        super().__init__()
        self.n_genes = config.n_genes
        self.encoder = CellEncoder(config)
        self.narrow = nn.Linear(config.width, sizes.width)
        self.decoder = Performer(sizes, dropout=config.decoder_dropout)
        self.decoder_norm = nn.LayerNorm(sizes.width)
        self.norm = nn.LayerNorm(sizes.width)
        self.to_value = nn.Linear(sizes.width, 1)

    def forward(self, tokens: GeneTokens) -> torch.Tensor:
        """Return the states of all genes, (cells, genes, decoder width)."""
        states, mask = self.encoder(tokens)
        cell = torch.arange(tokens.n_cells, device=mask.device).repeat_interleave(tokens.lengths)
        # Silent genes enter as the value 0, and expressed ones, T and S by their states.
        silent = self.encoder.values(states.new_zeros(1))
        whole = silent.expand(tokens.n_cells, self.n_genes + 2, -1).clone()
        whole[cell, tokens.gene_ids] = states[mask].to(whole.dtype)
        # The row of padding stands last, and is no place.
        hidden = self.narrow(whole + self.encoder.positions.weight[:-1])
        hidden = self.norm(self.decoder_norm(self.decoder(hidden)))
        return hidden[:, : self.n_genes]


class ScFoundationNetwork(nn.Module):
    """All parts of `models.ckpt`: encoders `cell` and `rde`, and the autoencoder `gene`.

    Parameters
    ----------
    parts
        Sizes of the parts that are there.
    options
        What the embedding of a cell is.
    """

    place_cost: ClassVar[float] = CellEncoder.place_cost

    def __init__(
        self, parts: Mapping[Part, ScFoundationConfig], options: ScFoundationOptions
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name: _build(config) for name, config in parts.items()})
        self.options = options

    @property
    def options(self) -> ScFoundationOptions:
        """What the embedding of a cell is."""
        return self._options

    @options.setter
    def options(self, options: ScFoundationOptions) -> None:
        if options.pooling not in {"all", "max"} or options.part not in get_args(Part):
            msg = (
                "`pooling` must be 'all' or 'max' and `part` 'cell', 'rde' or 'gene', found "
                f"{options}."
            )
            raise ValueError(msg)
        if options.part not in self.parts:
            msg = f"This scFoundation has no part {options.part!r}, but {', '.join(self.parts)}."
            raise ValueError(msg)
        self._options = options

    @property
    def cell_encoder(self) -> CellEncoder:
        """Network of the part that embeds."""
        part = self.parts[self.options.part]
        return part.encoder if isinstance(part, GeneAutoencoder) else cast("CellEncoder", part)

    def forward(self, tokens: GeneTokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode cells.

        Parameters
        ----------
        tokens
            Of the cells, from :class:`~.tokenizer.ScFoundationTokenizer`.

        Returns
        -------
        States (cells, places, width) of expressed genes, T and S, and mask (cells, places), True
        where there is a token.
        """
        states, mask = self.cell_encoder(tokens)
        return states, mask

    def pool(self, states: torch.Tensor, mask: torch.Tensor, tokens: GeneTokens) -> torch.Tensor:
        """Return the cell embedding; of a cell without counts what is over genes is zero."""
        states = states.float()
        if self.options.pooling == "max":
            return states.masked_fill(~mask[..., None], -torch.inf).amax(1)
        cell = torch.arange(states.shape[0], device=states.device)
        target, source = tokens.lengths - 2, tokens.lengths - 1
        genes = torch.arange(states.shape[1], device=states.device) < target[:, None]
        largest = states.masked_fill(~genes[..., None], -torch.inf).amax(1)
        largest = torch.where(target[:, None] > 0, largest, 0.0)
        parts = states[cell, source], states[cell, target], largest, masked_mean(states, genes)
        return torch.cat(parts, dim=1)

    def embed_genes(self, tokens: GeneTokens) -> torch.Tensor:
        """Return what the cell makes of every gene, (cells, genes, decoder width).

        Parameters
        ----------
        tokens
            Of few cells: all genes of each are in memory at once.
        """
        return self._autoencoder()(tokens)

    def predict_expression(self, tokens: GeneTokens) -> torch.Tensor:
        """Predict the value of every gene at the target depth, (cells, genes).

        Parameters
        ----------
        tokens
            As for :meth:`embed_genes`.
        """
        autoencoder = self._autoencoder()
        return autoencoder.to_value(autoencoder(tokens)).squeeze(-1)

    def _autoencoder(self) -> GeneAutoencoder:
        if "gene" not in self.parts:
            msg = f"This scFoundation has no part 'gene', but {', '.join(self.parts)}."
            raise ValueError(msg)
        return self.parts["gene"]  # type: ignore[return-value]


def _build(config: ScFoundationConfig) -> nn.Module:
    if config.decoder is None:
        return CellEncoder(config)
    return GeneAutoencoder(config, config.decoder)
