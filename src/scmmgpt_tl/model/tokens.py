"""Gene tokens: the ragged form in which cells enter an encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class GeneTokens(NamedTuple):
    """Expressed genes of a batch of cells, back to back.

    Cell ``i`` owns the entries ``offsets[i]:offsets[i + 1]`` of the two other arrays.

    Examples
    --------
    >>> tokens = GeneTokens(
    ...     torch.tensor([3, 5, 1]), torch.tensor([0.6, 0.8, 1.0]), torch.tensor([0, 2, 3])
    ... )
    >>> tokens.n_cells
    2
    """

    gene_ids: torch.Tensor  # (n_tokens,) int64, row of the gene table
    values: torch.Tensor  # (n_tokens,) float32
    offsets: torch.Tensor  # (n_cells + 1,) int64

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.offsets) - 1

    @classmethod
    def from_numpy(
        cls,
        gene_ids: NDArray[np.int64],
        values: NDArray[np.float32],
        offsets: NDArray[np.int64],
    ) -> GeneTokens:
        """Wrap numpy arrays without copying them."""
        return cls(torch.from_numpy(gene_ids), torch.from_numpy(values), torch.from_numpy(offsets))

    def to(self, device: torch.device | str) -> GeneTokens:
        """Move all three tensors to ``device``."""
        return GeneTokens(*(part.to(device, non_blocking=True) for part in self))
