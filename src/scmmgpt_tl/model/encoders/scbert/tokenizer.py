r"""Counts to the tokens of scBERT: every gene, silent or not, with a bin, and a place that is none.

With counts :math:`x_g` and their sum :math:`n`, the bin is
:math:`\min(\lfloor \log_2(1 + 10^4 x_g / n) \rfloor, 5)`. It is computed in float32 and in the
order in which scanpy normalises, so that values at an edge fall where the authors' do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl.model.tokens import GeneTokens

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TARGET_SUM = 10_000


@dataclass(frozen=True, eq=False)
class ScBERTTokenizer:
    """Tokenizer of scBERT.

    Parameters
    ----------
    n_genes
        Genes of the network; one more place follows them.
    highest
        Highest bin; what is above falls into it.
    """

    n_genes: int
    highest: int

    def __call__(self, rows: csr_matrix) -> GeneTokens:
        """Tokenise a block of counts.

        Parameters
        ----------
        rows
            Counts, (cells, genes of the model), sorted, no explicit zeros.

        Returns
        -------
        All places of each cell with their bins; that of silent genes and of the last place is 0.
        """
        n_cells, n_places = rows.shape[0], self.n_genes + 1
        cell = np.repeat(np.arange(n_cells), np.diff(rows.indptr))
        total = np.bincount(cell, rows.data, minlength=n_cells).astype(np.float32)
        share = rows.data.astype(np.float32) / (total / np.float32(TARGET_SUM))[cell]
        bins = np.floor(np.log1p(share) / np.float32(np.log(2)))
        values = np.zeros((n_cells, n_places), dtype=np.float32)
        values[cell, rows.indices] = np.minimum(bins, self.highest)
        return GeneTokens.from_numpy(
            np.tile(np.arange(n_places), n_cells),
            values.ravel(),
            np.arange(n_cells + 1, dtype=np.int64) * n_places,
        )
