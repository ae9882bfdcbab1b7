"""From answers to rows of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scmmgpt_tl.metrics import (
    accuracy,
    bootstrap_interval,
    consistent,
    expected_calibration_error,
    macro_f1,
)

if TYPE_CHECKING:
    from _data import Study
    from _methods import Answers
    from numpy.typing import ArrayLike, NDArray

NO_ANSWER = -1
Row = dict[str, Any]


def score_study(study: Study, answers: Answers, *, seed: int) -> list[Row]:
    """Score the answers of one method on one study, one row a setting.

    Parameters
    ----------
    study
        Its cells and their labels.
    answers
        Of the method.
    seed
        Of the bootstrap.

    Returns
    -------
    Rows for the settings `"closed"` (all labels of the study), `"closed, with id"` (those that
    have a Cell Ontology id, and their cells) and each open setting.
    """
    rows = [_closed(study, answers, only_with_id=False, seed=seed)]
    if any(study.cl_ids):
        rows.append(_closed(study, answers, only_with_id=True, seed=seed))
        rows += [
            {"setting": name} | _open(study, ids, seed=seed)
            for name, ids in answers.open_ids.items()
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
    cells = allowed[study.truth]
    truth, best = study.truth[cells], closed_answers(answers, allowed)[cells]
    row = {
        "setting": "closed, with id" if only_with_id else "closed",
        "labels": int(allowed.sum()),
        "unknown": float((best == NO_ANSWER).mean()),
    }
    if answers.stated is not None and not only_with_id:
        row["calibration_error"] = expected_calibration_error(answers.stated, truth == best)
    return row | _scores(truth, best, seed=seed)


def _open(study: Study, ids: NDArray[np.str_], *, seed: int) -> Row:
    truth = np.array(study.cl_ids)[study.truth]
    cells = truth != ""
    truth, given = truth[cells], ids[cells]
    fits, answered = consistent(truth, given), given != ""
    loosely = _scores(truth, np.where(fits, truth, given), seed=seed)
    return {
        "labels": len(set(truth)),
        **_scores(truth, given, seed=seed),
        "consistent": loosely["accuracy"],
        "consistent_low": loosely["accuracy_low"],
        "consistent_high": loosely["accuracy_high"],
        "consistent_f1": loosely["macro_f1"],
        "unknown": float(1 - answered.mean()),
        "answered_consistent": float(fits[answered].mean()) if answered.any() else np.nan,
    }


def _scores(truth: ArrayLike, given: ArrayLike, *, seed: int) -> Row:
    row: Row = {"cells": len(np.asarray(truth))}
    for name, metric in (("accuracy", accuracy), ("macro_f1", macro_f1)):
        rng = np.random.default_rng(seed)
        low, high = bootstrap_interval(metric, truth, given, rng=rng)
        row |= {name: metric(truth, given), f"{name}_low": low, f"{name}_high": high}
    return row
