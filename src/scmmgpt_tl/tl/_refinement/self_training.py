"""Labels that spread from the surest cells to those like them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["self_train", "sure_cells"]

# Of each label the surer half of its cells, but no more than so many, are learned from.
SURE_SHARE, MOST_SURE, FEWEST = 0.5, 100, 5
# How much the cells' own classifier is believed, against what was known before.
LEARNED_WEIGHT = 0.6
PENALTY = 0.1
SMALLEST = 1e-4


def self_train(
    p: NDArray[np.floating],
    place: NDArray[np.floating],
    *,
    given: NDArray[np.intp],
    single: NDArray[np.bool_],
    n_rounds: int,
) -> NDArray[np.float64]:
    r"""Learn labels from the surest cells, and judge all cells anew.

    In every round a logistic regression learns from the cells that are surest of each label, and
    from those whose label is given; with its probabilities :math:`z` those of all cells become
    :math:`q \propto p^{0.4} z^{0.6}`, and the next round chooses by these.

    Parameters
    ----------
    p
        Probability of each label in each cell, `(n_cells, n_labels)`.
    place
        Where cells lie, `(n_cells, n_dims)`.
    given
        Label of the cells for which it is known, -1 elsewhere, `(n_cells,)`.
    single
        Which droplets rather hold one cell than not: of the others nothing is learned, `(n_cells,)`.
    n_rounds
        How often.
    """
    from sklearn.linear_model import LogisticRegression

    features = place / np.maximum(place.std(), np.finfo(np.float32).tiny)
    q = _fix(p, given)
    for _ in range(n_rounds):
        sure = sure_cells(q, given, single=single)
        learned = q[sure].argmax(1)
        if len(np.unique(learned)) < 2:
            break
        classifier = LogisticRegression(C=PENALTY, max_iter=200, class_weight="balanced")
        classifier.fit(features[sure], learned)
        z = np.full(q.shape, SMALLEST)
        z[:, classifier.classes_] = classifier.predict_proba(features)
        logs = (1 - LEARNED_WEIGHT) * np.log(p + SMALLEST) + LEARNED_WEIGHT * np.log(z + SMALLEST)
        q = np.exp(logs - logs.max(1, keepdims=True))
        q = _fix(q / q.sum(1, keepdims=True), given)
    return q


def sure_cells(
    p: NDArray[np.floating], given: NDArray[np.intp], *, single: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Return the cells to learn from: all that are given, and the surest of each label."""
    best, top = p.argmax(1), p.max(1)
    chosen = [np.flatnonzero(given >= 0)]
    for label in range(p.shape[1]):
        own = np.flatnonzero((best == label) & (given < 0) & single)
        if len(own) >= FEWEST:
            n = int(np.clip(SURE_SHARE * len(own), FEWEST, MOST_SURE))
            chosen.append(own[np.argsort(-top[own], kind="stable")[:n]])
    return np.concatenate(chosen)


def _fix(p: NDArray[np.floating], given: NDArray[np.intp]) -> NDArray[np.float64]:
    """Leave no doubt about the cells whose label is given."""
    fixed = np.array(p, np.float64)
    rows = np.flatnonzero(given >= 0)
    fixed[rows] = 0
    fixed[rows, given[rows]] = 1
    return fixed
