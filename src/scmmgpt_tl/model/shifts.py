"""What a perturbation changes, as a weighted mean of changes that were measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Rule", "complete", "ridge_weights", "weigh"]


@dataclass(frozen=True)
class Rule:
    """How what was measured is weighed for what was not.

    Parameters
    ----------
    features
        Kind of features that say what is alike; `""` weighs all the same, which is the mean shift.
    strength
        Of the ridge: the larger, the nearer to the mean.
    """

    features: str = ""
    strength: float = 0.0


def ridge_weights(
    known: NDArray[np.floating], new: NDArray[np.floating], strength: float
) -> NDArray[np.float64]:
    r"""Return what a ridge regression makes of what is known for each new item, (new, known).

    The regression of any values :math:`y` on features :math:`x`,

    .. math:: \hat y(x) = \bar y + (x - \bar x)^\top (X^\top X + \lambda I)^{-1} X^\top (y - \bar y),

    is a weighted sum of the values, whose weights add up to 1. They are those of the regression
    of the unit vectors. Features are scaled so that their mean square distance from the mean is 1.

    Parameters
    ----------
    known, new
        Features, (items, width).
    strength
        :math:`\lambda`; without bound it gives the mean.

    Examples
    --------
    >>> ridge_weights(np.array([[0.0], [1.0]]), np.array([[0.5], [1.0]]), 1e-6).round(2)
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    from sklearn.linear_model import Ridge

    centre = known.mean(0)
    spread = np.sqrt(np.square(known - centre).sum(1).mean())
    scale = 1 / spread if spread > 0 else 0.0
    ridge = Ridge(alpha=strength).fit((known - centre) * scale, np.eye(len(known)))
    return np.asarray(ridge.predict((new - centre) * scale), dtype=np.float64)


def weigh(
    rule: Rule,
    known: Mapping[str, NDArray[np.floating]],
    new: Mapping[str, NDArray[np.floating]],
    rows: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return weights of some known items for each new one, (new, known); the others weigh nothing.

    Parameters
    ----------
    rule
        How to weigh.
    known, new
        Features by their kind, (items, width).
    rows
        Known items to weigh.
    """
    n_known, n_new = (len(next(iter(kinds.values()))) for kinds in (known, new))
    weights = np.zeros((n_new, n_known))
    if not rule.features or len(rows) < 2:
        weights[:, rows] = 1 / len(rows)
    else:
        own = known[rule.features][rows]
        weights[:, rows] = ridge_weights(own, new[rule.features], rule.strength)
    return weights


def complete(
    shifts: NDArray[np.floating],
    measured: NDArray[np.bool_],
    rule: Rule,
    features: Mapping[str, NDArray[np.floating]],
) -> NDArray[np.floating]:
    """Fill in the shift of each perturbation in the groups where it was not measured.

    Parameters
    ----------
    shifts
        (perturbations, groups, genes).
    measured
        Which of them are there, (perturbations, groups), one at least of each perturbation.
    rule, features
        How groups are weighed, and their features.
    """
    full = shifts.copy()
    for perturbation, there in enumerate(measured):
        rows, gaps = np.flatnonzero(there), np.flatnonzero(~there)
        if gaps.size:
            of_gaps = {kind: values[gaps] for kind, values in features.items()}
            weights = weigh(rule, features, of_gaps, rows)[:, rows]
            full[perturbation, gaps] = weights @ shifts[perturbation, rows]
    return full


def one_hot(places: Sequence[int], n: int) -> NDArray[np.float64]:
    """Return rows that take what is known as it is, (places, n)."""
    return np.eye(n)[list(places)]
