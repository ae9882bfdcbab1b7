"""Whether the proteins of a cell agree with the label that its RNA was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ._expected import log_likelihood

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["DISAGREES", "SILENT", "SUPPORTS", "Agreement", "agree"]

SUPPORTS, DISAGREES, SILENT = "supports", "disagrees", "silent"
# A label that fits less than this share as well as another disagrees.
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
        How probable the label is, by proteins alone, against the best of the others, `(n_cells,)`.
    against
        Proteins that are not as expected, such as `"CD3 absent; CD19 present"`.
    rival
        Number of the label that fits best where they disagree; -1 where there is none.
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
    fit: NDArray[np.float64],
    rivals: NDArray[np.bool_],
) -> Agreement:
    """Judge the labels of cells.

    A label is compared with the best of its rivals, and with a label of which nothing is expected:
    a cell that lacks what its label has need not look like any other that was asked for.

    Parameters
    ----------
    positive
        Probability of each protein in each cell, NaN where unknown; `(n_cells, n_proteins)`.
    names
        Names of the proteins.
    own
        What is expected of the cell's own label, `(n_cells, n_proteins)`.
    fit
        How well each label fits to each cell, `(n_cells, n_labels)`.
    rivals
        Which labels contradict the cell's own, `(n_cells, n_labels)`.

    Returns
    -------
    The agreement.
    """
    sign = np.where(np.isnan(positive), 0, own)
    # Row by row what `log_likelihood` gives for one label.
    as_expected = np.where(sign == 1, positive, np.where(sign == -1, 1 - positive, 0.5))
    ones = np.ones((1, len(names)), dtype=np.int8)
    fits = log_likelihood(as_expected, ones)[:, 0]
    others = np.where(rivals, fit, -np.inf)
    best = others.max(axis=1, initial=-np.inf)
    score = 1 / (1 + np.exp(np.maximum(best, 0) - fits))
    telling = (sign != 0).any(axis=1)
    score = np.where(telling, score, 0.5)
    disagrees = telling & (score < LEAST_SCORE)
    supports = telling & ~disagrees & (fits > LEAST_SUPPORT)
    verdict = np.select([disagrees, supports], [DISAGREES, SUPPORTS], SILENT).astype(object)
    wins = disagrees & (best > 0)
    rival = np.where(wins, others.argmax(axis=1) if others.shape[1] else -1, -1)
    return Agreement(verdict, score, _against(positive, names, sign), rival)


def _against(
    positive: NDArray[np.float64], names: Sequence[str], sign: NDArray[np.integer]
) -> NDArray[np.object_]:
    lacks, has = (sign == 1) & (positive < 1 - SURE), (sign == -1) & (positive > SURE)
    texts = np.full(len(positive), "", dtype=object)
    for cell in np.flatnonzero((lacks | has).any(axis=1)):
        texts[cell] = "; ".join(
            f"{names[i]} {'absent' if lacks[cell, i] else 'present'}"
            for i in np.flatnonzero(lacks[cell] | has[cell])
        )
    return texts
