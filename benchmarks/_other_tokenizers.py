"""Tokens as the code of published encoders makes them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from _scgpt import import_scgpt
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLS, PAD, PAD_VALUE = 1, 0, -2.0
# First token of a gene.
FIRST = 3
MAX_LENGTH = {"scgpt": 1200, "geneformer": 2048}
TARGET_SUM = 10_000


class ScGPTCollator:
    """The collator of the package `scgpt`, fed as its `get_batch_cell_embeddings` feeds it.

    Parameters
    ----------
    n_genes
        Genes of the counts.
    """

    def __init__(self, n_genes: int) -> None:
        import_scgpt()
        self.tokens = np.arange(n_genes) + FIRST
        self.collate = importlib.import_module("scgpt.data_collator").DataCollator(
            pad_token_id=PAD,
            pad_value=PAD_VALUE,
            do_mlm=False,
            do_binning=True,
            max_length=MAX_LENGTH["scgpt"],
            sampling=True,
            keep_first_n_tokens=1,
        )

    def __call__(self, rows: csr_matrix) -> torch.Tensor:
        """Tokenise a batch, (cells, places)."""
        examples = [self._example(i, cell) for i, cell in enumerate(rows.toarray())]
        return self.collate(examples)["gene"]

    def _example(self, i: int, cell: NDArray[np.float32]) -> dict[str, int | torch.Tensor]:
        expressed = np.flatnonzero(cell)
        genes = np.insert(self.tokens[expressed], 0, CLS)
        values = np.insert(cell[expressed], 0, PAD_VALUE)
        return {
            "id": i,
            "genes": torch.from_numpy(genes),
            "expressions": torch.from_numpy(values),
        }


class GeneformerLike:
    """Geneformer's way in numpy and scipy: a block is scaled, its cells are ranked one by one.

    Its package is on no index, so this is what it does and not the package itself.

    Parameters
    ----------
    medians
        Of the genes, (genes,).
    """

    def __init__(self, medians: NDArray[np.float64]) -> None:
        self.tokens = np.arange(len(medians)) + FIRST
        self.medians = medians

    def __call__(self, rows: csr_matrix) -> list[list[int]]:
        """Tokenise a batch."""
        scaled = csr_matrix(rows / rows.sum(axis=1) * TARGET_SUM / self.medians)
        return [self._rank(scaled[i]) for i in range(scaled.shape[0])]

    def _rank(self, cell: csr_matrix) -> list[int]:
        order = np.argsort(-cell.data)[: MAX_LENGTH["geneformer"]]
        return self.tokens[cell.indices[order]].tolist()
