"""From probabilities to one label, or to none."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl.ontology import roll_up
from scmmgpt_tl.ontology._roll_up import membership, on_one_line
from scmmgpt_tl.tl._labels import UNKNOWN, LabelSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.model.calibration import Calibration
    from scmmgpt_tl.ontology import CellOntology

__all__ = ["Decision", "Level", "Rule", "decide", "read_level", "term_shares"]

ROOT = "CL:0000000"


class Level(NamedTuple):
    """What may be answered.

    Parameters
    ----------
    kind
        `"label"` for the labels themselves, `"deepest"` for the deepest supported term, `"terms"`
        for the terms named here.
    names
        Names of these terms.
    cl_ids
        Their Cell Ontology ids.
    """

    kind: str
    names: tuple[str, ...] = ()
    cl_ids: tuple[str, ...] = ()


class Rule(NamedTuple):
    """How an answer is chosen.

    Parameters
    ----------
    level
        What may be answered.
    threshold
        Lowest calibrated score of an answer.
    calibration
        Turns a probability into a score.
    ontology
        Which label is which kind of cell.
    """

    level: Level
    threshold: float
    calibration: Calibration
    ontology: CellOntology


class Decision(NamedTuple):
    """One answer per row (cell or group).

    Parameters
    ----------
    labels
        Name of the answer, `"unknown"` where its score is below the threshold.
    cl_ids
        Its Cell Ontology id, `""` where there is none.
    scores
        Calibrated score of the best answer, also where it is too low; `(n,)`.
    support
        Probability of the best answer, `(n,)`.
    margins
        How much more probable it is than the runner-up, `(n,)`.
    runners_up
        Name of the next best answer.
    """

    labels: NDArray[np.object_]
    cl_ids: NDArray[np.object_]
    scores: NDArray[np.float32]
    support: NDArray[np.float32]
    margins: NDArray[np.float32]
    runners_up: NDArray[np.object_]


def read_level(
    level: str | Sequence[str] | None, *, labels: LabelSet, ontology: CellOntology
) -> Level:
    """Understand the argument `level` of :func:`scmmgpt_tl.tl.annotate`.

    Parameters
    ----------
    level
        `None`, `"deepest"`, or names or ids of terms.
    labels
        Labels that cells are compared with.
    ontology
        Where names are looked up.

    Returns
    -------
    What may be answered.

    Raises
    ------
    ValueError
        A term is unknown, named twice, or none of the labels is below it.
    """
    if level is None:
        return Level("label")
    if not any(labels.cl_ids):
        msg = "`level` climbs the Cell Ontology, but none of the `labels` is a term of it."
        raise ValueError(msg)
    if level == "deepest":
        return Level("deepest")
    if isinstance(level, str) or len(level) < 2:
        msg = f"`level` must be None, 'deepest' or a list of at least two terms, not {level!r}."
        raise ValueError(msg)
    ids = [_term(text, ontology) for text in level]
    if len(set(ids)) < len(ids):
        msg = f"`level` names a term more than once: {list(level)!r}."
        raise ValueError(msg)
    below = membership(labels.cl_ids, ids, ontology=ontology).sum(axis=0).tolist()
    if not all(below):
        bare = [text for text, some in zip(level, below, strict=True) if not some]
        msg = f"None of the labels is at or below {', '.join(map(repr, bare))} of `level`."
        raise ValueError(msg)
    return Level("terms", tuple(ontology.name(key) for key in ids), tuple(ids))


def decide(probabilities: NDArray[np.floating], labels: LabelSet, rule: Rule) -> Decision:
    """Answer for each row with the best label, or the term that the rule asks for.

    Parameters
    ----------
    probabilities
        Probability of each label, `(n, n_labels)`.
    labels
        The labels.
    rule
        How to choose.

    Returns
    -------
    The answers.
    """
    match rule.level.kind:
        case "deepest":
            return _deepest(probabilities, labels, rule)
        case "terms":
            terms = rule.level
            shares = term_shares(labels.cl_ids, terms.cl_ids, rule.ontology)
            return _best(probabilities @ shares, LabelSet(terms.names, terms.cl_ids), rule)
        case _:
            return _best(probabilities, labels, rule)


def _best(p: NDArray[np.floating], labels: LabelSet, rule: Rule) -> Decision:
    names, ids = (np.array(values, dtype=object) for values in (labels.names, labels.cl_ids))
    rows = np.arange(len(p))
    first = p.argmax(axis=1)
    line = (p @ _lines(labels.cl_ids, rule.ontology))[rows, first]
    others = p.copy()
    others[rows, first] = -1.0
    second = others.argmax(axis=1)
    scores = rule.calibration.calibrate(line.clip(0, 1))
    sure = scores >= rule.threshold
    return Decision(
        labels=np.where(sure, names[first], UNKNOWN),
        cl_ids=np.where(sure, ids[first], ""),
        scores=scores.astype(np.float32),
        support=p[rows, first].astype(np.float32),
        margins=(p[rows, first] - p[rows, second]).astype(np.float32),
        runners_up=names[second],
    )


@lru_cache(maxsize=32)
def _lines(cl_ids: tuple[str, ...], ontology: CellOntology) -> NDArray[np.float32]:
    """Which labels are above, at or below which: these do not speak against one another."""
    related = on_one_line(cl_ids, cl_ids, ontology=ontology).astype(np.float32)
    # A label outside the ontology has itself alone.
    np.fill_diagonal(related, 1)
    return related


def _deepest(p: NDArray[np.floating], labels: LabelSet, rule: Rule) -> Decision:
    """Answer with the deepest supported term; a label outside the ontology stands for itself."""
    rolled = roll_up(
        p,
        labels.cl_ids,
        threshold=rule.threshold,
        ontology=rule.ontology,
        calibrate=lambda sums: rule.calibration.calibrate(sums).astype(np.float64),
    )
    answer = _best(p, labels, rule)
    # A label outside the ontology cannot be rolled up; where it is sure, it stands.
    climbs = (answer.labels == UNKNOWN) | (answer.cl_ids != "")
    ids = np.array(rolled.ids, dtype=object)
    answer.scores[climbs] = rolled.scores[climbs]
    answer.labels[climbs], answer.cl_ids[climbs] = UNKNOWN, ""
    own_names = dict(zip(labels.cl_ids[::-1], labels.names[::-1], strict=True))
    for term in sorted({*rolled.ids} - {"", ROOT}):
        rows = np.flatnonzero(climbs & (ids == term))
        answer.labels[rows] = own_names.get(term) or rule.ontology.name(term)
        answer.cl_ids[rows] = term
        inside = membership(labels.cl_ids, [term], ontology=rule.ontology)[:, 0] > 0
        _compare(answer, p, rows, inside=inside, names=labels.names)
    return answer


def _compare(
    answer: Decision,
    p: NDArray[np.floating],
    rows: NDArray[np.intp],
    *,
    inside: NDArray[np.bool_],
    names: Sequence[str],
) -> None:
    """Set a term's labels against the best label that is not among them."""
    answer.support[rows] = p[np.ix_(rows, inside)].sum(axis=1)
    if inside.all():
        answer.margins[rows], answer.runners_up[rows] = answer.support[rows], ""
        return
    outside = np.where(inside, -1.0, p[rows])
    answer.margins[rows] = answer.support[rows] - outside.max(axis=1)
    answer.runners_up[rows] = np.array(names, dtype=object)[outside.argmax(axis=1)]


def term_shares(
    label_ids: Sequence[str], terms: Sequence[str], ontology: CellOntology
) -> NDArray[np.float64]:
    """Which label counts for which term: the most specific ones it descends from."""
    belongs = membership(label_ids, terms, ontology=ontology)
    for column, term in enumerate(terms):
        finer = [other for other, key in enumerate(terms) if term in ontology.ancestors(key)]
        belongs[:, column] *= ~belongs[:, finer].any(axis=1)
    return belongs


def _term(text: str, ontology: CellOntology) -> str:
    key = ontology.resolve(text)
    if key is None:
        close = ", ".join(repr(ontology.name(term)) for term in ontology.suggest(text))
        msg = f"`level` names {text!r}, which the Cell Ontology does not know. Close: {close}."
        raise ValueError(msg)
    return key
