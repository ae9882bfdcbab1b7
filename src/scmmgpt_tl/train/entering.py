"""How drawn cells enter the cell encoder: one door, whichever encoder stands behind it.

The first step is numpy and takes long, so that it belongs to the thread that draws; the second is
the network's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.encoders.geneset import GeneSetEncoder
from scmmgpt_tl.model.tokens import GeneTokens

from .rates import log_normalise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scmmgpt_tl.model.encoders import CellEncoder


class Dense(NamedTuple):
    """Cells as our own encoder is trained on them: a matrix product is quicker than sums of rows."""

    values: torch.Tensor  # (cells, genes) token values
    measured: torch.Tensor  # (cells, genes) bool

    def to(self, device: torch.device) -> Dense:
        """Move both tensors to ``device``."""
        return Dense(self.values.to(device), self.measured.to(device))


Entering: TypeAlias = Dense | GeneTokens


def enter(
    encoder: CellEncoder, counts: NDArray[np.float32], measured: NDArray[np.bool_]
) -> Entering:
    """Turn counts into what an encoder reads.

    Parameters
    ----------
    encoder
        Of the network that is trained.
    counts
        (cells, genes), zero where a gene was not measured.
    measured
        Panel of each cell, (cells, genes).
    """
    if isinstance(encoder, GeneSetEncoder):
        return Dense(torch.from_numpy(log_normalise(counts)), torch.from_numpy(measured))
    return encoder.tokenizer(csr_matrix(counts))


def states_of(encoder: CellEncoder, cells: Entering) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode what has entered: states (cells, states, width) and their mask (cells, states)."""
    if isinstance(encoder, GeneSetEncoder) and isinstance(cells, Dense):
        return encoder.forward_dense(*cells)
    return encoder(cells)
