"""Taking out of a representation what sets batches apart inside labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["beside", "remove_shifts"]

# How many cells' worth of doubt stand against a shift: one that all labels share, and a label's own.
SHARED_DOUBT, OWN_DOUBT = 1.0, 100.0


def beside(places: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Put representations beside each other, each centred and of the same total variance.

    Parameters
    ----------
    places
        Representations of the same cells, `(n_cells, n_dims)` each.
    """
    centred = [place - place.mean(0, dtype=np.float64) for place in places]
    spreads = [np.sqrt(np.square(place).sum(1).mean()) for place in centred]
    return np.hstack(
        [place / (spread or 1.0) for place, spread in zip(centred, spreads, strict=True)]
    )


def remove_shifts(
    place: NDArray[np.floating], p: NDArray[np.floating], batch: NDArray[np.intp]
) -> NDArray[np.float64]:
    r"""Bring the cells of each label together, whatever their batch.

    With :math:`r_{ik}` the share of label :math:`k` in cell :math:`i`, a ridge regression of the
    places :math:`x_i` on labels and batches,

    .. math:: \min_{a, c} \sum_i \Big\| x_i - \sum_k r_{ik} a_k - c_{b(i)} \Big\|^2
              + \|a\|^2 + \|c\|^2 ,

    says what shift :math:`c_b` the labels of a batch share, however many cells of each it has. It is
    taken off; then, from the means :math:`m_{bk}` of a label in a batch and :math:`m_k` in all,
    weighted by :math:`r`, the shift that is the label's own:

    .. math:: x_i \leftarrow x_i - \sum_k r_{ik} \, \frac{n_{bk}}{n_{bk} + 100} \, (m_{bk} - m_k),
              \qquad n_{bk} = \sum_{i \in b} r_{ik} .

    A label that one batch alone has moves with its batch, and is drawn to no other label.

    Parameters
    ----------
    place
        Where cells lie, `(n_cells, n_dims)`.
    p
        Probability of each label in each cell, `(n_cells, n_labels)`; only its proportions count.
    batch
        Number of each cell's batch, `(n_cells,)`.

    Returns
    -------
    New places, `(n_cells, n_dims)`.
    """
    x = place - place.mean(0, dtype=np.float64)
    shares = p.astype(np.float64)
    shares /= np.maximum(shares.sum(1, keepdims=True), np.finfo(np.float32).tiny)
    members = [np.flatnonzero(batch == b) for b in range(int(batch.max()) + 1)]
    shared = _shared_shifts(x, shares, members)
    for rows, shift in zip(members, shared, strict=True):
        x[rows] -= shift
    own = _own_shifts(x, shares, members)
    for rows, shift in zip(members, own, strict=True):
        x[rows] -= shares[rows] @ shift
    return x


def _shared_shifts(
    x: NDArray[np.float64], shares: NDArray[np.float64], members: Sequence[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Shift of each batch that its labels share, zero in the mean over cells, (batches, dims)."""
    n_labels = shares.shape[1]
    sizes = np.array([len(rows) for rows in members], dtype=np.float64)
    counted = np.stack([shares[rows].sum(0) for rows in members])
    gram = np.block([[shares.T @ shares, counted.T], [counted, np.diag(sizes)]])
    gram[np.diag_indices_from(gram)] += SHARED_DOUBT
    sums = np.vstack([shares.T @ x, *(x[rows].sum(0) for rows in members)])
    shifts = np.linalg.solve(gram, sums)[n_labels:]
    return shifts - sizes @ shifts / sizes.sum()


def _own_shifts(
    x: NDArray[np.float64], shares: NDArray[np.float64], members: Sequence[NDArray[np.intp]]
) -> list[NDArray[np.float64]]:
    """Shift of each label in each batch, (labels, dims) a batch."""
    mean = shares.T @ x / np.maximum(shares.sum(0), np.finfo(np.float32).tiny)[:, None]
    shifts = []
    for rows in members:
        n = shares[rows].sum(0)[:, None]
        # (n / (n + doubt)) * (sums / n - mean), for labels without cells as well.
        shifts.append((shares[rows].T @ x[rows] - n * mean) / (n + OWN_DOUBT))
    return shifts
