"""How far a score would move with other cells of the same study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._accuracy import check_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["bootstrap_interval"]


def bootstrap_interval(
    metric: Callable[[NDArray[np.int64], NDArray[np.int64]], float],
    truth: ArrayLike,
    predicted: ArrayLike,
    *,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a metric, resampling cells.

    It says what other cells of this study would have given, not what another study would.

    Parameters
    ----------
    metric
        Called with codes of true and given labels of each resample.
    truth
        True label of each cell, (cells,).
    predicted
        Label given to each cell, (cells,).
    rng
        Draws the cells.
    n_resamples
        How often.
    level
        Share of the resamples inside the interval.

    Returns
    -------
    Lower and upper end.

    Raises
    ------
    ValueError
        There are no cells, or not as many labels as cells.

    Examples
    --------
    >>> from scmmgpt_tl.metrics import accuracy
    >>> rng = np.random.default_rng(0)
    >>> low, high = bootstrap_interval(accuracy, ["T"] * 100, ["T"] * 80 + ["B"] * 20, rng=rng)
    >>> low < 0.8 < high
    True
    """
    true, given = check_pair(truth, predicted)
    # Numbers are many times quicker to compare than names.
    _, codes = np.unique(np.concatenate([true, given]), return_inverse=True)
    codes = codes.astype(np.int64)
    of_truth, of_given = codes[: len(true)], codes[len(true) :]
    rows = rng.integers(len(true), size=(n_resamples, len(true)))
    found = [metric(of_truth[chosen], of_given[chosen]) for chosen in rows]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
