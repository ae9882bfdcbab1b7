"""How far a mean may be chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

RESAMPLES = 2000


def mean_interval(values: ArrayLike) -> tuple[float, float]:
    """Return the ends of the 95 % interval of a mean, by drawing what it is over again.

    Parameters
    ----------
    values
        What the mean is over: data sets, types, searches.
    """
    known = np.asarray(values, dtype=float)
    drawn = np.random.default_rng(0).choice(known, size=(RESAMPLES, len(known))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
