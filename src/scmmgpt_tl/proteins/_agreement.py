"""Whether the proteins of a cell agree with the label that its RNA was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ._expected import contrast, fit, log_odds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["DISAGREES", "SILENT", "SUPPORTS", "Agreement", "agree"]

SUPPORTS, DISAGREES, SILENT = "supports", "disagrees", "silent"
# A label that is less probable than this, against another, disagrees.
LEAST_SCORE = 0.1
# Somewhat less than one protein that is as expected.
LEAST_SUPPORT = 0.5
# How sure it must be whether a cell has a protein, to be named as speaking against a label.
SURE = 0.9


class Agreement(NamedTuple):
    """What proteins say of the label of each cell.

    Parameters
    ----------
    verdict
        `"supports"`, `"disagrees"` or `"silent"`.
    score
        How probable the label is by proteins alone, against the label that they speak most for in
        its place, or against none of the labels, `(n_cells,)`.
    against
        Proteins that are not as expected, such as `"CD3 absent; CD19 present"`.
    rival
        Number of the label that is better by the proteins where they disagree; -1 where none is.
    """

    verdict: NDArray[np.object_]
    score: NDArray[np.float64]
    against: NDArray[np.object_]
    rival: NDArray[np.intp]


def agree(
    positive: NDArray[np.float64],
    names: Sequence[str],
    own: NDArray[np.integer],
    *,
    labels: NDArray[np.integer],
    rivals: NDArray[np.bool_],
) -> Agreement:
    """Judge the labels of cells.

    A label is compared with each of its rivals by the proteins on which the two differ. It is also
    compared with a label that lets expect nothing: a cell that is not as its label should be need
    not look like any other that was asked for.

    Parameters
    ----------
    positive
        Probability of each protein in each cell, NaN where unknown; `(n_cells, n_proteins)`.
    names
        Names of the proteins.
    own
        What is expected of the cell's own label, `(n_cells, n_proteins)`.
    labels
        What is expected of each label, `(n_labels, n_proteins)`.
    rivals
        Which labels contradict the cell's own, `(n_cells, n_labels)`.

    Returns
    -------
    The agreement.
    """
    odds = log_odds(positive)
    sign = np.where(np.isnan(positive), 0, own)
    alone = fit(odds, sign[:, None])[:, 0]
    against_each = np.where(rivals, contrast(odds, sign, labels), np.inf)
    worst = np.minimum(against_each.min(axis=1, initial=np.inf), alone)
    telling = (sign != 0).any(axis=1)
    score = np.where(telling, 1 / (1 + np.exp(-worst)), 0.5)
    disagrees = telling & (score < LEAST_SCORE)
    supports = telling & ~disagrees & (alone > LEAST_SUPPORT)
    verdict = np.select([disagrees, supports], [DISAGREES, SUPPORTS], SILENT).astype(object)
    # Of all that are better than the label, the one that all proteins together fit best.
    better = disagrees[:, None] & (against_each < np.log(LEAST_SCORE / (1 - LEAST_SCORE)))
    fits = np.where(better, fit(odds, labels), -np.inf)
    rival = np.where(better.any(axis=1), fits.argmax(axis=1) if labels.size else -1, -1)
    return Agreement(verdict, score, _against(positive, names, sign), rival)


def _against(
    positive: NDArray[np.float64], names: Sequence[str], sign: NDArray[np.integer]
) -> NDArray[np.object_]:
    lacks, has = (sign == 1) & (positive < 1 - SURE), (sign == -1) & (positive > SURE)
    texts = np.full(len(positive), "", dtype=object)
    for cell in np.flatnonzero((lacks | has).any(axis=1)):
        texts[cell] = "; ".join(
            f"{names[i]} {'absent' if lacks[cell, i] else 'present'}"
            for i in map(int, np.flatnonzero(lacks[cell] | has[cell]))
        )
    return texts
