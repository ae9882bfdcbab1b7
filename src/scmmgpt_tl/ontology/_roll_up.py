"""Rolling label probabilities up the ontology to what the evidence supports."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ._lineage import PROPERTY_TERMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ._cell_ontology import CellOntology

__all__ = ["RollUp", "membership", "on_one_line", "roll_up"]

_BLOCK = 4096


class RollUp(NamedTuple):
    """Terms that cells were rolled up to.

    Parameters
    ----------
    ids
        For each cell the id of its term, `""` where no term reached the threshold.
    scores
        Their scores, `(n_cells,)`; where there is no term, the best score any term had.
    """

    ids: tuple[str, ...]
    scores: NDArray[np.float64]


def membership(
    label_ids: Sequence[str], terms: Sequence[str], *, ontology: CellOntology
) -> NDArray[np.float64]:
    """Which labels are, or descend from, which terms.

    Parameters
    ----------
    label_ids
        Ids of the labels, `""` for labels outside the ontology.
    terms
        Ids of the terms.
    ontology
        The ontology that holds them.

    Returns
    -------
    Zeros and ones, `(n_labels, n_terms)`.
    """
    upward = [ontology.ancestors(key) | {ontology.current(key)} if key else () for key in label_ids]
    return np.array([[term in above for term in terms] for above in upward], dtype=np.float64)


def on_one_line(
    rows: Sequence[str], columns: Sequence[str], *, ontology: CellOntology
) -> NDArray[np.bool_]:
    """Which terms do not contradict which: the same, or one above the other.

    Parameters
    ----------
    rows, columns
        Ids of terms, `""` for labels outside the ontology, which are on no line.
    ontology
        The ontology that holds them.

    Returns
    -------
    True where both are on one line, `(n_rows, n_columns)`.
    """
    lines = {term: ontology.line(term) if term else frozenset() for term in set(rows)}
    found = {term: [column in line for column in columns] for term, line in lines.items()}
    related = np.array([found[term] for term in rows], dtype=np.bool_)
    return related.reshape(len(rows), len(columns))


def roll_up(
    probabilities: NDArray[np.floating],
    label_ids: Sequence[str],
    *,
    threshold: float,
    ontology: CellOntology,
    calibrate: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
) -> RollUp:
    r"""Find for each cell the deepest term that the evidence supports.

    The score of a term :math:`t` is the probability of the labels at or below it,

    .. math:: s_t = f\Big(\sum_{l \le t} p_l\Big),

    and a cell gets the deepest :math:`t` with :math:`s_t \ge` `threshold`; between terms of one
    depth the higher score wins, then the lower id. Terms that only name a property ("motile
    cell") are passed over unless they are labels themselves.

    Parameters
    ----------
    probabilities
        Probability of each label in each cell, `(n_cells, n_labels)`.
    label_ids
        Cell Ontology id of each label, `""` where it has none.
    threshold
        Lowest score to accept.
    ontology
        The ontology to climb.
    calibrate
        The monotone function :math:`f`; by default the sum itself is the score.

    Returns
    -------
    A term and a score for each cell.

    Raises
    ------
    ValueError
        The number of labels does not fit `probabilities`.

    Examples
    --------
    >>> import numpy as np
    >>> import scmmgpt_tl as scmm
    >>> cl = scmm.ontology.load()
    >>> labels = ["CL:0000624", "CL:0000625", "CL:0000236"]  # CD4 T, CD8 T, B
    >>> rolled = scmm.ontology.roll_up(
    ...     np.array([[0.5, 0.4, 0.1]]), labels, threshold=0.8, ontology=cl
    ... )
    >>> cl.name(rolled.ids[0])
    'mature alpha-beta T cell'
    """
    if probabilities.ndim != 2 or probabilities.shape[1] != len(label_ids):
        msg = f"`probabilities` is {probabilities.shape}, but there are {len(label_ids)} labels."
        raise ValueError(msg)
    terms = _candidates(label_ids, ontology=ontology)
    if not terms:
        return RollUp(("",) * len(probabilities), np.zeros(len(probabilities)))
    belongs = membership(label_ids, terms, ontology=ontology)
    depths = np.array([ontology.depth(term) for term in terms])
    columns = np.full(len(probabilities), -1)
    scores = np.zeros(len(probabilities))
    for start in range(0, len(probabilities), _BLOCK):
        rows = slice(start, start + _BLOCK)
        # Rounded, so that terms over the same labels tie whatever the order of summation.
        sums = (probabilities[rows].astype(np.float64) @ belongs).round(9).clip(0.0, 1.0)
        block = sums if calibrate is None else calibrate(sums)
        columns[rows], scores[rows] = _deepest(block, depths, threshold=threshold)
    return RollUp(tuple("" if column < 0 else terms[column] for column in columns), scores)


def _candidates(label_ids: Sequence[str], *, ontology: CellOntology) -> list[str]:
    """Labels and the terms above them that are worth answering with, sorted."""
    own = {ontology.current(key) for key in label_ids if key}
    above = frozenset().union(*(ontology.ancestors(key) for key in own)) - PROPERTY_TERMS
    return sorted(own | above)


def _deepest(
    scores: NDArray[np.float64], depths: NDArray[np.int64], *, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Column of the deepest passing term per row, -1 where none passes, and the score."""
    passing = scores >= threshold
    deepest = np.where(passing, depths, -1).max(axis=1, keepdims=True)
    eligible = np.where(passing & (depths == deepest), scores, -1.0)
    columns = np.where(passing.any(axis=1), eligible.argmax(axis=1), -1)
    best = np.where(columns < 0, scores.max(axis=1), eligible.max(axis=1))
    return columns, best
