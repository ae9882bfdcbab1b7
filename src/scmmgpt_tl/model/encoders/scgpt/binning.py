r"""From counts to bins of equal frequency within a cell.

With :math:`n` bins, the edges :math:`e_1 \le \dots \le e_{n-1}` are quantiles of the non-zero
counts of a cell. A count :math:`x` may go to any bin from
:math:`l = |\{i: e_i < x\}|` to :math:`h = |\{i: e_i \le x\}|`: low counts fill many bins, and where
they do, scGPT draws one, :math:`\lceil h - u (h - l) \rceil` with uniform :math:`u`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

# Whole counts below this are sorted and looked up by counting.
_COUNTABLE = 1024


def bin_range(rows: csr_matrix, *, n_bins: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
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
    below = np.empty(rows.nnz, dtype=np.int32)
    above = np.empty(rows.nnz, dtype=np.int32)
    counts = rows.data.astype(np.float32, copy=False)
    _fill(counts, rows.indptr, np.linspace(0, 1, n_bins - 1), below, above)
    return below, above


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def draw_bins(
    below: NDArray[np.int32], above: NDArray[np.int32], uniforms: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Take one bin of each range, by numbers uniform in [0, 1).

    Examples
    --------
    >>> draw_bins(np.array([0, 0]), np.array([4, 4]), np.array([0.0, 0.9]))
    array([4., 1.], dtype=float32)
    """
    found = np.empty(len(uniforms), dtype=np.float32)
    for i in range(len(uniforms)):
        found[i] = np.ceil(uniforms[i] * (below[i] - above[i]) + above[i])
    return found


def mean_bins(below: NDArray[np.int32], above: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return what :func:`draw_bins` gives on average.

    Examples
    --------
    >>> mean_bins(np.array([0, 3]), np.array([4, 3]))
    array([2.5, 3. ], dtype=float32)
    """
    tied = above > below
    return np.where(tied, (below + 1 + above) / 2, above).astype(np.float32)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _fill(
    counts: NDArray[np.float32],
    indptr: NDArray[np.integer],
    shares: NDArray[np.float64],
    below: NDArray[np.int32],
    above: NDArray[np.int32],
) -> None:
    """Write the bins below and not above each count, cell by cell."""
    n_of = np.zeros(_COUNTABLE, dtype=np.int64)
    low = np.empty(_COUNTABLE, dtype=np.int32)
    high = np.empty(_COUNTABLE, dtype=np.int32)
    for cell in range(len(indptr) - 1):
        start, stop = indptr[cell], indptr[cell + 1]
        if start == stop:
            continue
        own = counts[start:stop]
        if _are_countable(own):
            ordered = _sorted_by_counting(own, n_of)
            edges = _quantiles(ordered, shares)
            values = np.arange(ordered[-1] + 1)
            low[: len(values)] = np.searchsorted(edges, values, side="left")
            high[: len(values)] = np.searchsorted(edges, values, side="right")
            for i in range(start, stop):
                value = int(counts[i])
                below[i], above[i] = low[value], high[value]
        else:
            edges = _quantiles(np.sort(own), shares)
            below[start:stop] = np.searchsorted(edges, own, side="left")
            above[start:stop] = np.searchsorted(edges, own, side="right")


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _are_countable(values: NDArray[np.float32]) -> bool:
    """Tell whether all are whole numbers, and small ones."""
    for value in values:  # noqa: SIM110 - numba knows no generators
        if not (0 <= value < _COUNTABLE and value == np.floor(value)):
            return False
    return True


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sorted_by_counting(
    values: NDArray[np.float32], n_of: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Sort whole numbers; `n_of` has a zero for each, and has it again in the end."""
    for value in values:
        n_of[int(value)] += 1
    ordered = np.empty_like(values)
    place = 0
    number = 0
    while place < len(values):
        ordered[place : place + n_of[number]] = number
        place += n_of[number]
        n_of[number] = 0
        number += 1
    return ordered


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _quantiles(ordered: NDArray[np.float32], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Do what `numpy.quantile` does, with ascending values and ties included."""
    edges = np.empty(len(shares))
    for i, share in enumerate(shares):
        place = (len(ordered) - 1) * share
        before = int(place)
        part = place - before
        left, right = ordered[before], ordered[min(before + 1, len(ordered) - 1)]
        step = right - left
        # Both forms are needed: an edge must be the very count where two counts are the same.
        edges[i] = left + step * part if part < 0.5 else right - step * (1 - part)
    return edges
