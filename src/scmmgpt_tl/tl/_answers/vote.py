"""One label for a group of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["agreement", "group_mean"]


def group_mean(
    values: NDArray[np.floating], codes: NDArray[np.intp], n_groups: int
) -> NDArray[np.float64]:
    r"""Average rows by group.

    .. math:: m_g = \frac{1}{n_g} \sum_{i: c_i = g} v_i

    Parameters
    ----------
    values
        One row per cell, `(n_cells, n)`.
    codes
        Group of each cell, -1 for none; `(n_cells,)`.
    n_groups
        Number of groups.

    Returns
    -------
    Means, `(n_groups, n)`; zero for a group without cells.
    """
    from scipy.sparse import csr_matrix

    held = np.flatnonzero(codes >= 0)
    ones = np.ones(len(held))
    groups = csr_matrix((ones, (codes[held], held)), shape=(n_groups, len(codes)))
    sizes = np.bincount(codes[held], minlength=n_groups)
    return (groups @ values.astype(np.float64)) / np.maximum(sizes, 1)[:, None]


def agreement(
    cell_labels: NDArray[np.object_], group_labels: NDArray[np.object_], codes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Share of the cells of each group whose own label is the group's.

    Parameters
    ----------
    cell_labels
        Label of each cell, `(n_cells,)`.
    group_labels
        Label of each group, `(n_groups,)`.
    codes
        Group of each cell, -1 for none; `(n_cells,)`.

    Returns
    -------
    Shares, `(n_groups,)`; zero for a group without cells.
    """
    held = codes >= 0
    same = cell_labels[held] == group_labels[codes[held]]
    sizes = np.bincount(codes[held], minlength=len(group_labels))
    agreeing = np.bincount(codes[held], weights=same, minlength=len(group_labels))
    return agreeing / np.maximum(sizes, 1)
