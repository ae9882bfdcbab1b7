"""Groups of cells, as a column of `obs` defines them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scmmgpt_tl._columns import read_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Groups", "all_cells", "read_groups"]


class Groups(NamedTuple):
    """Groups of cells.

    Parameters
    ----------
    names
        Names of the groups, in the order of the categories.
    codes
        For each cell the number of its group, -1 where it has none; `(n_cells,)`.
    """

    names: tuple[str, ...]
    codes: NDArray[np.intp]

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Number of cells of each group."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))


def all_cells(n_obs: int) -> Groups:
    """Return all cells as one group, for those who name no column.

    Parameters
    ----------
    n_obs
        Number of cells.
    """
    return Groups(("all",), np.zeros(n_obs, dtype=np.intp))


def read_groups(obs: pd.DataFrame, groupby: str, *, argument: str = "groupby") -> Groups:
    """Read the groups of a column; groups without cells are left out.

    Parameters
    ----------
    obs
        Table of the cells.
    groupby
        Its column.
    argument
        What the user calls it, for messages.

    Returns
    -------
    The groups, in the order of the categories or, without categories, in natural order.

    Raises
    ------
    ValueError
        There is no such column, or it names no group.
    """
    column = read_column(obs, groupby, argument=argument)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_unused_categories()
        names = [str(name) for name in column.cat.categories]
        codes = column.cat.codes.to_numpy().astype(np.intp)
    else:
        codes, found = pd.factorize(column)
        order = _natural_order([str(name) for name in found])
        names = [str(found[place]) for place in order]
        codes = np.where(codes < 0, -1, np.argsort(order)[codes]) if names else codes
    if not names or len(set(names)) < len(names):
        msg = f"The values of .obs[{groupby!r}] do not name groups: found {names[:5]}."
        raise ValueError(msg)
    return Groups(tuple(names), codes)


def _natural_order(names: list[str]) -> list[int]:
    from natsort import natsort_keygen

    key = natsort_keygen()
    return sorted(range(len(names)), key=lambda place: key(names[place]))
