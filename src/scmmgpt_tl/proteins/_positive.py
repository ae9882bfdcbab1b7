"""Which cells have a protein: the antibody's counts against its own background."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Split", "clr", "split"]

LEAST_CELLS = 50
# Fewest cells on either side.
LEAST_SIDE = 5
# Distance of the means in standard deviations. Isotype controls, which nothing binds, come to 2.8.
LEAST_DISTANCE = 3.0
# Of the Bayesian information criterion: "very strong" by the usual reading.
LEAST_GAIN = 10.0
# As many counts as the cell's antibodies have in the (geometric) mean: a count or two beside none
# part cells as well, and say nothing.
BACKGROUND = np.log(2)
# What no cell binds reaches this quantile of the isotype controls.
CONTROL_QUANTILE = 0.99
_MOST_POINTS = 5000


class Split(NamedTuple):
    """How cells fall into those with and without a protein.

    Parameters
    ----------
    positive
        Probability that a cell has it, `(n_cells,)`; NaN where the counts do not tell.
    limit
        Value above which a cell more likely has it than not; NaN where they do not tell.
    distance
        Distance of the two means in standard deviations.
    why
        `"split"`, or why it is not: `"one peak"`, `"few cells"`, `"background"`.
    """

    positive: NDArray[np.float64]
    limit: float
    distance: float
    why: str


def clr(counts: NDArray[np.floating]) -> NDArray[np.float64]:
    r"""Centre the log-ratios of each cell.

    With counts :math:`x_{ij}` of :math:`P` antibodies,

    .. math::

        z_{ij} = \log\Bigl(1 + x_{ij} / \exp\bigl(\tfrac{1}{P} \sum_k \log(1 + x_{ik})\bigr)\Bigr),

    as `Seurat` and `muon.prot.pp.clr(axis=1)` have it.

    Parameters
    ----------
    counts
        Cells x antibodies, not negative.
    """
    centre = np.exp(np.log1p(counts).mean(axis=1, keepdims=True))
    return np.log1p(counts / centre)


def split(values: NDArray[np.floating], *, background: float = -np.inf) -> Split:
    """Split cells by a mixture of two normal distributions of one width.

    Of one width, so that a higher value never makes a cell less likely positive. There is no split
    where one distribution explains the values as well, where the two lie too close together, or
    where the mean of the upper one is no higher than what antibodies show that nothing binds.

    Parameters
    ----------
    values
        Normalised values of one antibody in one sample, `(n_cells,)`.
    background
        Highest value that antibodies reach which nothing binds.

    Returns
    -------
    The split.
    """
    from sklearn.mixture import GaussianMixture

    nothing = np.full(len(values), np.nan)
    if len(values) < LEAST_CELLS:
        return Split(nothing, np.nan, 0.0, "few cells")
    if np.ptp(values) == 0:
        return Split(nothing, np.nan, 0.0, "one peak")
    points = _points(values)
    one, two = (
        GaussianMixture(k, covariance_type="tied", means_init=means, random_state=0).fit(points)
        for k, means in ((1, None), (2, np.quantile(points, [0.05, 0.98])[:, None]))
    )
    low, high = np.argsort(two.means_[:, 0])
    distance = float((two.means_[high, 0] - two.means_[low, 0]) / np.sqrt(two.covariances_[0, 0]))
    positive = two.predict_proba(values[:, None])[:, high]
    sides = np.bincount((positive > 0.5).astype(np.intp), minlength=2)
    gain = one.bic(points) - two.bic(points)
    if distance < LEAST_DISTANCE or gain < LEAST_GAIN or sides.min() < LEAST_SIDE:
        return Split(nothing, np.nan, distance, "one peak")
    if two.means_[high, 0] <= background:
        return Split(nothing, np.nan, distance, "background")
    return Split(positive, float(values[positive > 0.5].min()), distance, "split")


def _points(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """All values in order, or as many quantiles of them: the fit depends on no order of cells."""
    if len(values) <= _MOST_POINTS:
        return np.sort(values)[:, None].astype(np.float64)
    return np.quantile(values, np.linspace(0, 1, _MOST_POINTS))[:, None]
