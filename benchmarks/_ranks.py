"""Ranks, and what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

KS = (1, 5, 10)


def first_ranks(scores: ArrayLike, right: ArrayLike) -> NDArray[np.float64]:
    """Rank of the best right item of each query, 1 for the top.

    Items of one score come in no order: half of the wrong ones among them stand before a right one.

    Parameters
    ----------
    scores
        Of each item, (queries, items).
    right
        Which items are right, at least one a query, (queries, items).

    Returns
    -------
    Ranks, (queries,).

    Raises
    ------
    ValueError
        A query has no right item.
    """
    found, fits = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=bool)
    if not fits.any(axis=1).all():
        msg = "Every query needs an item that is right."
        raise ValueError(msg)
    best = np.where(fits, found, -np.inf).max(axis=1, keepdims=True)
    before = ((found > best) & ~fits).sum(axis=1)
    beside = ((found == best) & ~fits).sum(axis=1)
    return 1 + before + beside / 2


def recall_and_mrr(ranks: NDArray[np.float64]) -> dict[str, float]:
    """Share of queries with a right item among the first 1, 5 and 10, and mean reciprocal rank.

    Parameters
    ----------
    ranks
        See :func:`first_ranks`.
    """
    recall = {f"recall_{k}": float((ranks <= k).mean()) for k in KS}
    return recall | {"mrr": float((1 / ranks).mean())}
