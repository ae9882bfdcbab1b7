r"""Counts to the tokens of scFoundation: expressed genes, then the two read depths T and S.

With counts :math:`x_g` and their sum :math:`n`, a gene has the value
:math:`\ln(1 + 10^4 x_g / n)`, the source depth S is :math:`\log_{10} n`, and the target depth T is
what the user wishes it to be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl.model.tokens import GeneTokens

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

TARGET_SUM = 10_000
_DEPTH = re.compile(r"([tfa])(\d+(?:\.\d+)?)")


@dataclass(frozen=True, eq=False)
class ScFoundationTokenizer:
    """Tokenizer of scFoundation.

    Parameters
    ----------
    n_genes
        Genes of the network; the tokens of T and S follow theirs.
    depth
        Target depth T, written as the authors do: `"t4"` for :math:`10^4` counts, `"f2"` for twice
        the cell's own, `"a1"` for a power of ten more than these.

    Raises
    ------
    ValueError
        If `depth` is not written so.
    """

    n_genes: int
    depth: str = "t4"

    def __post_init__(self) -> None:
        found = _DEPTH.fullmatch(self.depth) if isinstance(self.depth, str) else None
        if found is None or not (found[1] == "a" or float(found[2]) > 0):
            msg = (
                "`depth` must be 't', 'f' or 'a' and a number, such as 't4' for 10^4 counts, 'f2' "
                f"for twice the cell's or 'a1' for ten times; found {self.depth!r}."
            )
            raise ValueError(msg)

    def __call__(self, rows: csr_matrix) -> GeneTokens:
        """Tokenise a block of counts.

        Parameters
        ----------
        rows
            Counts, (cells, genes of the model), sorted, no explicit zeros.

        Returns
        -------
        Expressed genes of each cell in the order of the model, then T, then S. Both depths are
        always there; that of a cell with less than one count is 0.
        """
        n_genes = np.diff(rows.indptr).astype(np.int64)
        cell = np.repeat(np.arange(rows.shape[0]), n_genes)
        counts = rows.data.astype(np.float64)
        total = np.bincount(cell, counts, minlength=rows.shape[0])
        offsets = np.concatenate([[0], np.cumsum(n_genes + 2)]).astype(np.int64)
        ids = np.empty(offsets[-1], dtype=np.int64)
        values = np.empty(offsets[-1], dtype=np.float32)
        source = np.log10(np.maximum(total, 1))
        places = np.arange(len(cell)) + 2 * cell
        ids[places], values[places] = rows.indices, np.log1p(counts / total[cell] * TARGET_SUM)
        ids[offsets[1:] - 2], values[offsets[1:] - 2] = self.n_genes, self._target(source)
        ids[offsets[1:] - 1], values[offsets[1:] - 1] = self.n_genes + 1, source
        return GeneTokens.from_numpy(ids, values, offsets)

    def _target(self, source: NDArray[np.float64]) -> NDArray[np.float64]:
        kind, number = self.depth[0], float(self.depth[1:])
        match kind:
            case "t":
                return np.full_like(source, number)
            case "f":
                return np.maximum(source + np.log10(number), 0)
            case _:
                return source + number
