"""Right or wrong, over all cells and over all labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["accuracy", "check_pair", "macro_f1"]


def accuracy(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Share of the cells whose label is the true one.

    Parameters
    ----------
    truth
        True label of each cell, (cells,).
    predicted
        Label given to each cell, (cells,); anything that is no true label is wrong.

    Returns
    -------
    A share, 0 to 1.

    Raises
    ------
    ValueError
        There are no cells, or not as many labels as cells.

    Examples
    --------
    >>> accuracy(["T cell", "B cell"], ["T cell", "unknown"])
    0.5
    """
    true, given = check_pair(truth, predicted)
    return float((true == given).mean())


def macro_f1(truth: ArrayLike, predicted: ArrayLike) -> float:
    r"""Mean over the true labels of their F1 score, so that a rare type counts as a common one.

    .. math:: F_l = \frac{2 \, TP_l}{n^{true}_l + n^{given}_l}

    Parameters
    ----------
    truth
        True label of each cell, (cells,). Only labels that occur here are averaged over.
    predicted
        Label given to each cell, (cells,).

    Returns
    -------
    A score, 0 to 1.

    Raises
    ------
    ValueError
        There are no cells, or not as many labels as cells.

    Examples
    --------
    >>> round(macro_f1(["T", "T", "B"], ["T", "B", "B"]), 3)
    0.667
    """
    true, given = check_pair(truth, predicted)
    labels, of_truth = np.unique(true, return_inverse=True)
    of_given = np.searchsorted(labels, given).clip(max=len(labels) - 1)
    of_given = of_given[labels[of_given] == given]
    hits = np.bincount(of_truth[true == given], minlength=len(labels))
    n_true = np.bincount(of_truth, minlength=len(labels))
    n_given = np.bincount(of_given, minlength=len(labels))
    return float((2 * hits / (n_true + n_given)).mean())


def check_pair(truth: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[np.generic], ...]:
    """Return both as arrays of one length."""
    true, given = np.asarray(truth), np.asarray(predicted)
    if true.ndim != 1 or true.shape != given.shape or not true.size:
        msg = (
            "`truth` and `predicted` must hold one label for each of the same cells, "
            f"found shapes {true.shape} and {given.shape}."
        )
        raise ValueError(msg)
    return true, given
