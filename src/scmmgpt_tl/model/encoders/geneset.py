r"""Set encoder: linear in genes, so that a cell costs one pass over its expressed genes.

A cell with counts :math:`x_g` is the unit vector :math:`v_g \propto \log(1 + 10^4 x_g / \sum x)`.
Its genes are summed, :math:`h_0 = \sum_g v_g W_g`, refined by residual blocks and unfolded into
``n_states`` states that the Q-Former attends to. A gene that a data set did not measure looks
like one that is silent; so the network is also told what an average cell would look like through
the same panel, :math:`\bar h = \sum_{g\ \text{measured}} \bar v_g W_g`, and learns to see the cell
against it. The sum is a Perceiver's first cross-attention
with fixed latents, whose keys and values are then tables over genes: :math:`W` is that table.
The unit norm makes cells of different depth and gene panel comparable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from scmmgpt_tl.model.tokens import GeneTokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model.config import EncoderConfig

TARGET_SUM = 1e4
GENE_STD = 0.03


class GeneSetTokenizer:
    """Counts -> genes with log-normalised values of unit norm per cell."""

    def __call__(self, rows: csr_matrix) -> GeneTokens:
        """Tokenise a block of counts.

        Parameters
        ----------
        rows
            Counts, (cells, genes of the model), no explicit zeros.

        Returns
        -------
        Tokens of the cells in the order of the rows; a cell without counts has none.
        """
        counts = rows.data.astype(np.float64)
        offsets = rows.indptr.astype(np.int64)
        cell = np.repeat(np.arange(rows.shape[0]), np.diff(offsets))
        total = np.bincount(cell, counts, minlength=rows.shape[0])
        values = np.log1p(counts * (TARGET_SUM / total[cell]))
        norm = np.sqrt(np.bincount(cell, values * values, minlength=rows.shape[0]))
        values = (values / norm[cell]).astype(np.float32)
        return GeneTokens.from_numpy(rows.indices.astype(np.int64), values, offsets)


class Block(nn.Module):
    """Pre-norm residual block of two linear maps."""

    def __init__(self, *, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.contract = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (cells, width) to (cells, width)."""
        inner = F.gelu(self.expand(self.norm(hidden)))
        return hidden + self.contract(self.dropout(inner))


class GeneSetEncoder(nn.Module):
    """Gene tokens -> states (cells, n_states, state_width)."""

    batch_sizes: ClassVar[Mapping[str, int]] = {"cpu": 256, "cuda": 1024, "mps": 512}
    """Cells a batch by default, by device."""
    core_a_batch: ClassVar[bool] = True
    """Whether a core had better have a batch of its own than share one."""
    average: torch.Tensor  # (genes,) share of each gene in the average cell

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = GeneSetTokenizer()
        self.genes = nn.Embedding(config.n_genes, config.width)
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(width=config.width, dropout=config.dropout) for _ in range(config.n_blocks)
        )
        self.panel_norm = nn.LayerNorm(config.width)
        self.panel = nn.Linear(config.width, config.width)
        self.register_buffer("average", torch.full((config.n_genes,), 1 / max(config.n_genes, 1)))
        self.unfold = nn.Linear(config.width, config.n_states * config.state_width)
        # Small: a gene that training says nothing of then adds nothing but a whisper of noise.
        nn.init.normal_(self.genes.weight, std=GENE_STD)
        nn.init.zeros_(self.panel.weight)
        nn.init.zeros_(self.panel.bias)

    def forward(
        self, tokens: GeneTokens, measured: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode cells.

        Parameters
        ----------
        tokens
            Expressed genes of the cells.
        measured
            Which genes the data set measured, (genes,).

        Returns
        -------
        states
            (cells, n_states, state_width).
        mask
            (cells, n_states), True where a state may be attended to: here everywhere.
        """
        hidden = F.embedding_bag(
            tokens.gene_ids,
            self.genes.weight,
            tokens.offsets,
            mode="sum",
            per_sample_weights=tokens.values.to(self.genes.weight.dtype),
            include_last_offset=True,
        )
        return self.refine(hidden, self.average_cell(measured) @ self.genes.weight)

    def forward_dense(
        self, values: torch.Tensor, measured: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode (cells, genes) of token values: the same sum as a matrix product, for training.

        `measured` may differ from cell to cell, (cells, genes).
        """
        average = self.average_cell(measured) @ self.genes.weight
        return self.refine(values @ self.genes.weight, average)

    def average_cell(self, measured: torch.Tensor) -> torch.Tensor:
        """Return token values of the average cell on panels of measured genes, (..., genes)."""
        shares = self.average * measured
        values = torch.log1p(TARGET_SUM * shares / shares.sum(-1, keepdim=True).clamp_min(1e-12))
        return F.normalize(values, dim=-1)

    def refine(
        self, hidden: torch.Tensor, average: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """From the sums over genes of cells and of their average cell to states and mask."""
        panel = self.panel(self.panel_norm(average))
        hidden = self.dropout(self.norm(hidden) + panel)
        for block in self.blocks:
            hidden = block(hidden)
        states = self.unfold(hidden).unflatten(-1, (self.config.n_states, self.config.state_width))
        return states, states.new_ones(states.shape[:2], dtype=torch.bool)
