"""Gene tokens: the ragged form in which cells enter an encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional as F

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

    @property
    def lengths(self) -> torch.Tensor:
        """Tokens of each cell, (n_cells,)."""
        return self.offsets.diff()

    def take(self, cells: torch.Tensor) -> GeneTokens:
        """Return the tokens of some cells, in the order in which they are named.

        Examples
        --------
        >>> tokens = GeneTokens(torch.tensor([3, 5, 1]), torch.ones(3), torch.tensor([0, 2, 3]))
        >>> tokens.take(torch.tensor([1, 0])).gene_ids.tolist()
        [1, 3, 5]
        """
        lengths = self.lengths[cells]
        offsets = F.pad(lengths.cumsum(0), (1, 0))
        shift = self.offsets[:-1][cells] - offsets[:-1]
        places = torch.arange(int(offsets[-1]), device=shift.device) + shift.repeat_interleave(
            lengths
        )
        return GeneTokens(self.gene_ids[places], self.values[places], offsets)

    def rectangle(
        self, *, pad_id: int, pad_value: float = 0.0
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Pad the cells to the longest one.

        Parameters
        ----------
        pad_id, pad_value
            What stands after the end of a shorter cell.

        Returns
        -------
        Ids, values and mask, (cells, places) each, with one place at least; the mask is True where
        there is a token.

        Examples
        --------
        >>> tokens = GeneTokens(torch.tensor([3, 5, 1]), torch.ones(3), torch.tensor([0, 2, 3]))
        >>> tokens.rectangle(pad_id=9)[0].tolist()
        [[3, 5], [1, 9]]
        """
        lengths = self.lengths
        longest = max(int(lengths.max()) if self.n_cells else 0, 1)
        mask = torch.arange(longest, device=lengths.device) < lengths[:, None]
        ids = self.gene_ids.new_full(mask.shape, pad_id)
        values = self.values.new_full(mask.shape, pad_value)
        ids.masked_scatter_(mask, self.gene_ids)
        values.masked_scatter_(mask, self.values)
        return ids, values, mask

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
