"""Near misses count by how near they are on the ontology."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology._lineage import PROPERTY_TERMS

from ._accuracy import check_pair

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["closeness", "ontology_f1"]

ROOT = "CL:0000000"


def closeness(truth: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    r"""Say how much of what an answer claims is true, and of what is true it claims.

    A term claims itself and all terms above it, :math:`A`. The closeness of two terms is the F1
    score of one set against the other,

    .. math:: \frac{2 \, |A_t \cap A_p|}{|A_t| + |A_p|}.

    Every cell is a cell, and many are motile: the root, and terms that only name a property, do
    not count.

    Parameters
    ----------
    truth
        Cell Ontology id of each cell, `""` where it has none, (cells,).
    predicted
        Id of the answer, `""` where there is none, (cells,).

    Returns
    -------
    Closeness, 0 to 1, (cells,); 1 for the same term, 0 for no answer.

    Raises
    ------
    KeyError
        An id is not in the Cell Ontology.
    ValueError
        There are no cells, or not as many ids as cells.

    Examples
    --------
    >>> t_cell, cd4, hepatocyte = "CL:0000084", "CL:0000624", "CL:0000182"
    >>> closeness([cd4] * 4, [cd4, t_cell, hepatocyte, ""]).round(2).tolist()
    [1.0, 0.71, 0.0, 0.0]
    """
    true, given = check_pair(truth, predicted)
    return np.array([_closeness(str(t), str(p)) for t, p in zip(true, given, strict=True)])


def ontology_f1(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Mean over the true labels of how close the answers to their cells are.

    Parameters
    ----------
    truth
        Cell Ontology id of each cell, (cells,).
    predicted
        Id of the answer, `""` where there is none, (cells,).

    Returns
    -------
    A score, 0 to 1; see :func:`closeness`.

    Raises
    ------
    KeyError
        An id is not in the Cell Ontology.
    ValueError
        There are no cells, or not as many ids as cells.

    Examples
    --------
    >>> t_cell, b_cell = "CL:0000084", "CL:0000236"
    >>> ontology_f1([t_cell, t_cell, b_cell], [t_cell, t_cell, ""])
    0.5
    """
    found = closeness(truth, predicted)
    labels, codes = np.unique(np.asarray(truth), return_inverse=True)
    return float((np.bincount(codes, found, len(labels)) / np.bincount(codes)).mean())


@lru_cache(maxsize=1 << 16)
def _closeness(truth: str, predicted: str) -> float:
    if not truth or not predicted:
        return 0.0
    one, other = _claims(truth), _claims(predicted)
    return 2 * len(one & other) / (len(one) + len(other))


def _claims(term: str) -> frozenset[str]:
    cl = ontology.load()
    own = frozenset({cl.current(term)})
    return own | (cl.ancestors(term) - PROPERTY_TERMS - {ROOT})
