"""From answers to rows of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from _confidence import score_certainty, score_open

from scmmgpt_tl.metrics import accuracy, bootstrap_interval, consistent, macro_f1, ontology_f1

if TYPE_CHECKING:
    from collections.abc import Collection

    from _data import Study
    from _methods import Answers
    from numpy.typing import ArrayLike, NDArray

CLOSED, WITH_ID = "closed", "closed, with id"
NO_ANSWER = -1
Row = dict[str, Any]


def score_study(
    study: Study, answers: Answers, *, seed: int, covered: Collection[str] = ()
) -> list[Row]:
    """Score the answers of one method on one study, one row a setting.

    Parameters
    ----------
    study
        Its cells and their labels.
    answers
        Of the method.
    seed
        Of the bootstrap.
    covered
        Cell Ontology ids of what can be answered: cells of other types should be unknown.

    Returns
    -------
    Rows for the settings `"closed"` (all labels of the study), `"closed, with id"` (those that
    have a Cell Ontology id, and their cells) and each open setting.
    """
    rows = [_closed(study, answers, only_with_id=False, seed=seed)]
    if any(study.cl_ids):
        rows.append(_closed(study, answers, only_with_id=True, seed=seed))
        rows += [
            _open(study, answers, name, seed=seed, covered=covered) for name in answers.open_ids
        ]
    return rows


def closed_answers(answers: Answers, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the best allowed label of each cell, -1 where the method has none to give.

    Parameters
    ----------
    answers
        Of a method.
    allowed
        Which labels of the study may be answered, (labels,).
    """
    scores = np.where(allowed, answers.closed, -np.inf)
    best = scores.argmax(axis=1)
    mute = answers.refused | ~np.isfinite(scores.max(axis=1))
    return np.where(mute, NO_ANSWER, best)


def _closed(study: Study, answers: Answers, *, only_with_id: bool, seed: int) -> Row:
    has_id = np.array([bool(key) for key in study.cl_ids])
    allowed = has_id if only_with_id else np.ones_like(has_id)
    # Droplets that were made have no label to be right about.
    cells = allowed[study.truth] & (study.truth >= 0)
    truth, best = study.truth[cells], closed_answers(answers, allowed)[cells]
    row = {
        "setting": WITH_ID if only_with_id else CLOSED,
        "labels": int(allowed.sum()),
        "unknown": float((best == NO_ANSWER).mean()),
    }
    if CLOSED in answers.certainty and not only_with_id:
        certainty = answers.certainty[CLOSED][cells]
        row |= score_certainty(certainty, truth == best, is_chance=answers.states_chances)
    return row | _scores(truth, best, seed=seed)


def _open(
    study: Study, answers: Answers, setting: str, *, seed: int, covered: Collection[str]
) -> Row:
    truth = study.terms()
    cells = truth != ""
    truth, given = truth[cells], answers.open_ids[setting][cells]
    fits, answered = consistent(truth, given), given != ""
    loosely = _scores(truth, np.where(fits, truth, given), seed=seed)
    row = {
        "setting": setting,
        "labels": len(set(truth)),
        **_scores(truth, given, seed=seed),
        "consistent": loosely["accuracy"],
        "consistent_low": loosely["accuracy_low"],
        "consistent_high": loosely["accuracy_high"],
        "consistent_f1": loosely["macro_f1"],
        "ontology_f1": ontology_f1(truth, given),
        "unknown": float(1 - answered.mean()),
        "answered_consistent": float(fits[answered].mean()) if answered.any() else np.nan,
    }
    if setting in answers.certainty:
        row |= score_open(study, answers, setting=setting, covered=covered)
    return row


def _scores(truth: ArrayLike, given: ArrayLike, *, seed: int) -> Row:
    row: Row = {"cells": len(np.asarray(truth))}
    for name, metric in (("accuracy", accuracy), ("macro_f1", macro_f1)):
        rng = np.random.default_rng(seed)
        low, high = bootstrap_interval(metric, truth, given, rng=rng)
        row |= {name: metric(truth, given), f"{name}_low": low, f"{name}_high": high}
    return row
