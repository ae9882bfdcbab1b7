"""How much an answer's stated certainty is worth."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import roc_auc_score

from scmmgpt_tl import ontology
from scmmgpt_tl.metrics import consistent
from scmmgpt_tl.model.calibration import calibration_gaps

if TYPE_CHECKING:
    from collections.abc import Collection

    from _data import Study
    from _methods import Answers
    from numpy.typing import ArrayLike, NDArray

# Of each bin of chances; their mean over data sets tells what the score is worth on all of them.
GAPS = tuple(f"gap_{i:02d}" for i in range(15))
COVERAGES = tuple(round(0.1 * i, 1) for i in range(1, 11))
CELL_LINE = re.compile(r"\bcell line\b")
OTHER = "other"


def risk_coverage(certainty: ArrayLike, right: ArrayLike) -> NDArray[np.float64]:
    """Share of wrong answers among the `n` most certain ones, for every `n` from 1 to all.

    Answers of one certainty come in no order: each counts as wrong as they are on average.

    Parameters
    ----------
    certainty
        The higher, the more certain, (cells,).
    right
        Whether the answer was right, (cells,).
    """
    _, tied = np.unique(-np.asarray(certainty, dtype=np.float64), return_inverse=True)
    wrong = 1.0 - np.asarray(right, dtype=np.float64)
    mean = np.bincount(tied, wrong) / np.bincount(tied)
    return np.cumsum(mean[np.sort(tied)]) / np.arange(1, len(wrong) + 1)


def score_certainty(
    certainty: NDArray[np.floating], right: NDArray[np.bool_], *, is_chance: bool
) -> dict[str, Any]:
    """Return risk at each coverage, the area below, and the calibration error of chances.

    Parameters
    ----------
    certainty
        Of each answer, (cells,).
    right
        Whether it is right, (cells,).
    is_chance
        Whether certainties are meant as chances of being right.
    """
    risk = risk_coverage(certainty, right)
    found: dict[str, Any] = {
        f"risk_{coverage:.1f}": risk[max(round(coverage * len(risk)), 1) - 1]
        for coverage in COVERAGES
    }
    found["risk_area"] = float(risk.mean())
    if is_chance:
        gaps = calibration_gaps(certainty, right)
        found["calibration_error"] = float(np.abs(gaps).sum())
        found |= dict(zip(GAPS, gaps.tolist(), strict=True))
    return found


def score_open(
    study: Study, answers: Answers, *, setting: str, covered: Collection[str]
) -> dict[str, Any]:
    """Score the certainty of open answers: as right as they are, and low where none can be right.

    Parameters
    ----------
    study
        Cells, and droplets that were made.
    answers
        Of a method.
    setting
        Which of its answers.
    covered
        Cell Ontology ids of what can be answered.
    """
    certainty, terms = answers.certainty[setting], study.terms()
    told = terms != ""
    # An answer that was held back was held back for its score; that is what is to be judged.
    given = answers.forced_ids.get(setting, answers.open_ids[setting])
    right = consistent(terms[told], given[told])
    found = score_certainty(certainty[told], right, is_chance=answers.states_chances)
    kinds = kinds_of(study, covered)
    known = kinds == ""
    for kind in sorted(set(kinds) - {"", "left out"}):
        found[f"auroc_{kind}"] = _auroc(certainty[known], certainty[kinds == kind])
    outside = ~known & (kinds != "left out")
    found["auroc_unknown"] = _auroc(certainty[known], certainty[outside])
    return found


def kinds_of(study: Study, covered: Collection[str]) -> NDArray[np.str_]:
    """Tell cells that can be answered from those that cannot.

    Parameters
    ----------
    study
        Cells, and droplets that were made.
    covered
        Cell Ontology ids of what can be answered.

    Returns
    -------
    For each cell `""` where an answer can be consistent with its term, `"doublet"` or `"empty"`
    for what was made, `"other"` for cell lines and for types that nothing covered is a kind of or
    above, `"left out"` for labels that may or may not be covered, (cells,).
    """
    cl = ontology.load()
    current = {cl.current(term) for term in covered if term}
    of_label = [_kind(*pair, current) for pair in zip(study.labels, study.cl_ids, strict=True)]
    return np.where(study.made != "", study.made, np.array([*of_label, ""])[study.truth])


def _kind(label: str, term: str, covered: set[str]) -> str:
    if not term:
        return OTHER if CELL_LINE.search(label) else "left out"
    return "" if ontology.load().line(term) & covered else OTHER


def _auroc(known: NDArray[np.floating], outside: NDArray[np.floating]) -> float:
    """Chance that a known cell is more certain than one from outside."""
    if not len(known) or not len(outside):
        return np.nan
    of_which = np.repeat([1, 0], [len(known), len(outside)])
    return float(roc_auc_score(of_which, np.nan_to_num(np.concatenate([known, outside]))))
