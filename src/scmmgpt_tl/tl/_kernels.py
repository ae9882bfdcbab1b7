"""What is kept of each batch of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scmmgpt_tl._input import n_genes
from scmmgpt_tl.model.droplets import CELL

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.model.encoder_model import CellVectors
    from scmmgpt_tl.model.scmmgpt import CellStates

    from ._answers.scoring import Scoring

__all__ = ["GroupSums", "as_vectors", "beside_texts", "cosines", "embedding", "probabilities"]


def embedding(states: CellStates | CellVectors, rows: csr_matrix) -> dict[str, Any]:
    """Keep the cells' vectors.

    Parameters
    ----------
    states
        What the model says of the cells.
    rows
        Their counts.

    Returns
    -------
    `cell`, `(n_cells, width)`, and `n_genes`, `(n_cells,)`.
    """
    return {"cell": states.cell, "n_genes": n_genes(rows)}


def as_vectors(model: Model | EncoderModel) -> tuple[Any, Callable[..., dict[str, Any]]]:
    """Read cells for their vectors.

    Parameters
    ----------
    model
        Reads them.

    Returns
    -------
    What encodes batches, and what is kept of each.
    """
    return model, embedding


def beside_texts(
    model: Model, *, text: NDArray[np.float32]
) -> tuple[Any, Callable[..., dict[str, Any]]]:
    """Read cells for their similarity with texts.

    Parameters
    ----------
    model, text
        As for :func:`cosines`.

    Returns
    -------
    What encodes batches, and what is kept of each.
    """
    return model, cosines(model, text)


def cosines(model: Model, text: NDArray[np.float32]) -> Callable[..., dict[str, Any]]:
    """Keep the similarity of cells and texts.

    Parameters
    ----------
    model
        Compares them.
    text
        Unit vectors of the texts, `(n_texts, width)`.

    Returns
    -------
    A kernel that keeps `cosine`, `(n_cells, n_texts)`, zero for cells without counts, and
    `n_genes`, `(n_cells,)`.
    """

    def kernel(states: CellStates, rows: csr_matrix) -> dict[str, Any]:
        seen = n_genes(rows)
        cosine = model.similarity(states.projected, text).float().cpu().numpy()
        return {"cosine": np.where(seen[:, None] > 0, cosine, np.float32(0)), "n_genes": seen}

    return kernel


def probabilities(
    model: Model, how: Scoring, *, measured: NDArray[np.bool_]
) -> Callable[..., dict[str, Any]]:
    """Keep the probability of each label, and what is in each droplet.

    Parameters
    ----------
    model
        Compares cells and texts, and judges droplets.
    how
        How cells are scored for the labels.
    measured
        Which of the model's genes the data set measured, `(n_genes,)`.

    Returns
    -------
    A kernel that keeps `p`, `(n_cells, n_labels)`, the chance that the droplet is one cell and that
    this has the label, the same for all labels in cells without counts; `droplet`,
    `(n_cells, 3)`, the chances of `scmmgpt_tl.model.droplets.KINDS`; and `n_genes`,
    `(n_cells,)`.
    """
    compare = cosines(model, how.text)

    def kernel(states: CellStates, rows: csr_matrix) -> dict[str, Any]:
        found = compare(states, rows)
        droplet = model.judge_droplets(states, rows, measured)
        p = how.probabilities(found["cosine"], rows) * droplet[:, CELL, None]
        p[found["n_genes"] == 0] = 1 / max(p.shape[1], 1)
        return {"p": p, "droplet": droplet, "n_genes": found["n_genes"]}

    return kernel


class GroupSums:
    """Adds up what is said of the cells of groups while these go by, which are too many to keep.

    Parameters
    ----------
    codes
        Group of each cell, -1 for none; `(n_cells,)`.
    n_groups
        Number of groups.
    min_genes
        Cells with fewer genes do not count.
    """

    def __init__(self, codes: NDArray[np.intp], n_groups: int, *, min_genes: int) -> None:
        self._codes = codes
        self._min_genes = max(min_genes, 1)
        self._place = 0
        self._sizes = np.zeros(n_groups, dtype=np.intp)
        self._sums: NDArray[np.float64] | None = None

    def add(self, values: NDArray[np.floating], rows: csr_matrix) -> None:
        """Add the next batch.

        Parameters
        ----------
        values
            What is said of the cells, `(n_cells, ...)`.
        rows
            Their counts.
        """
        codes = self._codes[self._place : self._place + rows.shape[0]]
        counted = (codes >= 0) & (n_genes(rows)[: len(codes)] >= self._min_genes)
        kept = values[: len(codes)][counted].astype(np.float64)
        if self._sums is None:
            self._sums = np.zeros((len(self._sizes), *kept.shape[1:]))
        # One statement each at the end: a batch that runs out of memory on the way is sent again.
        np.add.at(self._sums, codes[counted], kept)
        np.add.at(self._sizes, codes[counted], 1)
        self._place += rows.shape[0]

    def means(self) -> NDArray[np.float64]:
        """Return the mean of each group, `(n_groups, ...)`; zero for a group without cells."""
        if self._sums is None:
            return np.zeros((len(self._sizes), 0))
        sizes = np.maximum(self._sizes, 1)
        means: NDArray[np.float64] = self._sums / sizes.reshape(-1, *[1] * (self._sums.ndim - 1))
        return means
