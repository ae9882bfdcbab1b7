r"""From counts to bins of equal frequency within a cell.

With :math:`n` bins, the edges :math:`e_1 \le \dots \le e_{n-1}` are quantiles of the non-zero
counts of a cell. A count :math:`x` may go to any bin from
:math:`l = |\{i: e_i < x\}|` to :math:`h = |\{i: e_i \le x\}|`: low counts fill many bins, and where
they do, scGPT draws one, :math:`\lceil h - u (h - l) \rceil` with uniform :math:`u`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


def bin_range(rows: csr_matrix, *, n_bins: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bins that each count lies between.

    Parameters
    ----------
    rows
        Counts, (cells, genes), no explicit zeros.
    n_bins
        Number of bins, that of silent genes included.

    Returns
    -------
    Bins below and not above each stored count, :math:`l` and :math:`h`.
    """
    below = np.empty(rows.nnz, dtype=np.int64)
    above = np.empty(rows.nnz, dtype=np.int64)
    for start, stop in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
        if start == stop:
            continue
        counts = rows.data[start:stop]
        edges = _quantiles(np.sort(counts), n_bins - 1)
        below[start:stop] = np.searchsorted(edges, counts, side="left")
        above[start:stop] = np.searchsorted(edges, counts, side="right")
    return below, above


def draw_bins(
    below: NDArray[np.int64], above: NDArray[np.int64], uniforms: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Take one bin of each range, by numbers uniform in [0, 1).

    Examples
    --------
    >>> draw_bins(np.array([0, 0]), np.array([4, 4]), np.array([0.0, 0.9]))
    array([4., 1.], dtype=float32)
    """
    return np.ceil(uniforms * (below - above) + above).astype(np.float32)


def mean_bins(below: NDArray[np.int64], above: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return what :func:`draw_bins` gives on average.

    Examples
    --------
    >>> mean_bins(np.array([0, 3]), np.array([4, 3]))
    array([2.5, 3. ], dtype=float32)
    """
    tied = above > below
    return np.where(tied, (below + 1 + above) / 2, above).astype(np.float32)


def _quantiles(ordered: NDArray[np.float32], n: int) -> NDArray[np.float64]:
    """Do what `numpy.quantile` does with ascending values, ties included, in a sixth of the time."""
    place = (ordered.size - 1) * _shares(n)
    low = place.astype(np.intp)
    high = np.minimum(low + 1, ordered.size - 1)
    part = place - low
    left, right = ordered[low], ordered[high]
    step = right - left
    # Both forms are needed: an edge must be the very count where two counts are the same.
    return np.where(part < 0.5, left + step * part, right - step * (1 - part))


@cache
def _shares(n: int) -> NDArray[np.float64]:
    return np.linspace(0, 1, n)
