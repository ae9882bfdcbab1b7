"""Which rule predicts best what was held out, and how well."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl.model.shifts import Rule, weigh

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Scores", "choose_rule"]

STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
# With fewer, one is held out and nothing is left to tell what is alike from what is not.
FEWEST_ITEMS = 3
MOST_FOLDS = 25


class Scores(NamedTuple):
    """How well each item was predicted while it was held out; NaN where it could not be.

    Parameters
    ----------
    r
        Correlation of predicted and measured shift over genes, mean over what it was measured
        with, (items,).
    error
        Mean square over genes of their difference, likewise.
    """

    r: NDArray[np.float64]
    error: NDArray[np.float64]


def choose_rule(
    shifts: NDArray[np.floating],
    measured: NDArray[np.bool_],
    features: Mapping[str, NDArray[np.floating]],
    *,
    truth: NDArray[np.floating] | None = None,
    seed: int = 0,
) -> tuple[Rule, Scores, Scores]:
    """Hold items out in turn, and choose the rule with the least error.

    Parameters
    ----------
    shifts
        (items, others, genes): groups and perturbations, or the other way round.
    measured
        Which of them are there, (items, others).
    features
        Of the items by their kind, (items, width).
    truth
        What predictions are compared with, as `shifts`; by default these themselves.
    seed
        Of the parts, where there are too many items to leave each out by itself.

    Returns
    -------
    The rule, its scores and those of the mean shift. With too few items the mean shift.
    """
    rules = [Rule(), *(Rule(kind, strength) for kind in features for strength in STRENGTHS)]
    folds = _folds(len(shifts), seed)
    both = _Both(shifts, shifts if truth is None else truth, measured)
    found = [_score(rule, both, features, folds=folds) for rule in rules]
    known = np.isfinite(found[0].error)
    errors = [float(s.error[known].sum()) for s in found]
    best = int(np.argmin(errors))
    return rules[best], found[best], found[0]


def _folds(n: int, seed: int) -> list[NDArray[np.intp]]:
    if n < FEWEST_ITEMS:
        return []
    return np.array_split(np.random.default_rng(seed).permutation(n), min(n, MOST_FOLDS))


class _Both(NamedTuple):
    """What is learned from, and what it is compared with; (items, others, genes)."""

    known: NDArray[np.floating]
    truth: NDArray[np.floating]
    measured: NDArray[np.bool_]


def _score(
    rule: Rule,
    both: _Both,
    features: Mapping[str, NDArray[np.floating]],
    *,
    folds: Sequence[NDArray[np.intp]],
) -> Scores:
    shifts, measured = both.known, both.measured
    r, error, times = (np.zeros(len(shifts)) for _ in range(3))
    for held in folds:
        kept = np.setdiff1d(np.arange(len(shifts)), held)
        of_held = {kind: values[held] for kind, values in features.items()}
        for others, rows in _alike(measured, kept):
            weights = weigh(rule, features, of_held, rows)[:, rows]
            for other in others:
                own = np.flatnonzero(measured[held, other])
                predicted = weights[own] @ shifts[rows, other]
                truth = both.truth[held[own], other]
                np.add.at(r, held[own], _correlation(predicted, truth))
                np.add.at(error, held[own], np.square(predicted - truth).mean(1))
                np.add.at(times, held[own], 1)
    times[times == 0] = np.nan
    return Scores(r / times, error / times)


def _alike(
    measured: NDArray[np.bool_], kept: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Others that were measured with the same of the kept items, and these items."""
    patterns, which = np.unique(measured[kept], axis=1, return_inverse=True)
    for i, pattern in enumerate(patterns.T):
        if pattern.any():
            yield np.flatnonzero(which.ravel() == i), kept[pattern]


def _correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pearson correlation of each row, 0 where one of the two does not vary."""
    a, b = (x - x.mean(1, keepdims=True) for x in (one, other))
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.divide((a * b).sum(1), size, out=np.zeros(len(a)), where=size > 0)
