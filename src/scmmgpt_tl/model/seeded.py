"""Chance that belongs to a cell: numbers that its own counts decide, and nothing else.

What is drawn for a cell must not change with its neighbours, their order or the batch size. So
each count gets a number from a hash of its gene and of a fingerprint of all counts of the cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

# Steps of SplitMix64, a well-tried generator whose output function is a hash of its counter.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def seeded_uniforms(rows: csr_matrix, *, purpose: int) -> NDArray[np.float64]:
    """Return one number for each stored count, uniform in [0, 1).

    Parameters
    ----------
    rows
        Counts, (cells, genes), sorted, no explicit zeros.
    purpose
        Numbers of different purposes have nothing to do with each other.
    """
    genes = rows.indices.astype(np.uint64)
    counts = rows.data.astype(np.float32).view(np.uint32).astype(np.uint64)
    salt = np.uint64(purpose)
    hashed = _mix(_mix(genes + salt) ^ counts)
    # Sums wrap around, as they should: so the order of a cell's genes does not matter either.
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(hashed, dtype=np.uint64)])
    fingerprint = sums[rows.indptr[1:]] - sums[rows.indptr[:-1]]
    per_count = np.repeat(fingerprint, np.diff(rows.indptr))
    bits = _mix(per_count ^ _mix(genes + salt)) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = state + _STEP
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))
