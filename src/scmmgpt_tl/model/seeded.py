"""Chance that belongs to a cell: numbers that its own counts decide, and nothing else.

What is drawn for a cell must not change with its neighbours, their order or the batch size. So
each count gets a number from a hash of its gene and of a fingerprint of all counts of the cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

# Steps of SplitMix64, a well-tried generator whose output function is a hash of its counter.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def seeded_uniforms(rows: csr_matrix, *, n: int) -> NDArray[np.float64]:
    """Return numbers for each stored count, uniform in [0, 1), (n, counts).

    Parameters
    ----------
    rows
        Counts, (cells, genes), sorted, no explicit zeros.
    n
        How many for each; they have nothing to do with each other.
    """
    counts = rows.data.astype(np.float32, copy=False).view(np.uint32)
    return _uniforms(rows.indices, counts, rows.indptr, n)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _uniforms(
    genes: NDArray[np.integer], counts: NDArray[np.uint32], indptr: NDArray[np.integer], n: int
) -> NDArray[np.float64]:
    """Hash each gene with the fingerprint of its cell; `counts` are their bits."""
    found = np.empty((n, len(genes)))
    hashed = np.empty(len(genes), dtype=np.uint64)
    for cell in range(len(indptr) - 1):
        # The sum wraps around, as it should: so the order of a cell's genes does not matter either.
        fingerprint = np.uint64(0)
        for i in range(indptr[cell], indptr[cell + 1]):
            hashed[i] = _mix(np.uint64(genes[i]))
            fingerprint += _mix(hashed[i] ^ np.uint64(counts[i]))
        for k in range(n):
            seed = _mix(fingerprint + np.uint64(k))
            for i in range(indptr[cell], indptr[cell + 1]):
                found[k, i] = (_mix(seed ^ hashed[i]) >> np.uint64(11)) * 2.0**-53
    return found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _mix(state: np.uint64) -> np.uint64:
    state += _STEP
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))
