"""Right up to how fine the truth is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl import ontology

from ._accuracy import check_pair

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["consistent"]


def consistent(truth: ArrayLike, predicted: ArrayLike) -> NDArray[np.bool_]:
    """Tell which answers do not contradict the truth: the same term, one above it or one below it.

    A study that says "T cell" does not say that a cell is no CD4-positive one, and an answer "T
    cell" for a CD4-positive one is true if coarse. That makes coarse answers cheap, so look at
    this share beside that of the same term.

    Parameters
    ----------
    truth
        Cell Ontology id of each cell, (cells,).
    predicted
        Id of the answer, `""` where there is none, (cells,).

    Returns
    -------
    Whether each answer is consistent, (cells,); no answer is not.

    Raises
    ------
    KeyError
        An id is not in the Cell Ontology.
    ValueError
        There are no cells, or not as many ids as cells.

    Examples
    --------
    >>> t_cell, cd4, cd8 = "CL:0000084", "CL:0000624", "CL:0000625"
    >>> consistent([t_cell, cd4, cd4, cd4], [cd4, t_cell, cd8, ""]).tolist()
    [True, True, False, False]
    """
    true, given = check_pair(truth, predicted)
    pairs = list(zip(true.tolist(), given.tolist(), strict=True))
    known = {pair: _is_consistent(*pair) for pair in set(pairs)}
    return np.array([known[pair] for pair in pairs], dtype=np.bool_)


def _is_consistent(truth: str, predicted: str) -> bool:
    if not truth or not predicted:
        return False
    cl = ontology.load()
    return cl.current(predicted) in cl.line(truth)
