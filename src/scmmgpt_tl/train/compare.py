"""Perturbed cells beside the control cells of their group."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl._warnings import warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.tl._perturbation.pseudobulk import Pseudobulk

__all__ = ["Compared", "compare", "split_control"]


class Compared(NamedTuple):
    """Shifts of what has enough cells, and the control cells of its groups."""

    names: tuple[str, ...]
    groups: tuple[str, ...]
    shifts: NDArray[np.float64]  # (perturbations, groups, genes)
    n_cells: NDArray[np.int64]  # (perturbations, groups), 0 where there are too few
    control: NDArray[np.float64]  # (groups, genes)
    cells: NDArray[np.float64]  # (groups, width), embedding of the control cells
    # Two parts of the control cells, (2, groups, genes). Shifts from the same control cells are
    # alike by what is chance in these; from different parts they are not.
    halves: NDArray[np.float64]

    def from_half(self, half: int) -> NDArray[np.float64]:
        """Return the shifts as one part of the control cells has them."""
        there = self.n_cells[..., None] > 0
        return (self.shifts + self.control - self.halves[half]) * there

    def only(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Compared:
        """Return some perturbations in some groups, as if the others had never been measured."""
        return Compared(
            tuple(self.names[i] for i in rows),
            tuple(self.groups[i] for i in columns),
            self.shifts[np.ix_(rows, columns)],
            self.n_cells[np.ix_(rows, columns)],
            self.control[columns],
            self.cells[columns],
            self.halves[:, columns],
        )


def compare(
    means: Pseudobulk,
    names: Sequence[str],
    groups: Sequence[str],
    *,
    control: str,
    min_cells: int,
) -> Compared:
    """Compare perturbed with control cells in each group.

    Parameters
    ----------
    means
        Of the cells of each perturbation in each group, perturbation by perturbation, and at the
        end again of a part of the control cells.
    names, groups
        What they are called.
    control
        Which of the names stands for control cells.
    min_cells
        Fewest cells of either kind.

    Raises
    ------
    ValueError
        No shift has enough cells behind it.
    """
    shape = len(names) + 1, len(groups)
    every = means.n_cells.reshape(shape)
    place = names.index(control)
    n_cells = every[:-1].copy()
    n_cells[place] += every[-1]
    enough = n_cells >= max(min_cells, 1)
    # A shift needs both its cells and control cells.
    there = enough & enough[place]
    there[place] = False
    rows, columns = (np.flatnonzero(there.any(axis)).tolist() for axis in (1, 0))
    if not rows:
        msg = (
            f"No group has {min_cells} perturbed and {min_cells} control cells. Lower `min_cells`, "
            "or choose larger groups by `groupby`."
        )
        raise ValueError(msg)
    _tell_of_others("perturbations", names, kept=[place, *rows])
    _tell_of_others("groups", groups, kept=columns)
    expression, cells = (
        part.reshape(*shape, -1)[:, columns] for part in (means.expression, means.cells)
    )
    parts = every[[place, -1]][:, columns, None]
    base = _mean(expression[[place, -1]], parts)
    own = there[np.ix_(rows, columns)]
    return Compared(
        names=tuple(names[i] for i in rows),
        groups=tuple(groups[i] for i in columns),
        shifts=(expression[rows] - base) * own[..., None],
        n_cells=n_cells[np.ix_(rows, columns)] * own,
        control=base,
        cells=_mean(cells[[place, -1]], parts),
        # Where a part has no cell there is nothing but the whole.
        halves=np.where(parts > 0, expression[[place, -1]], base),
    )


def split_control(
    codes: NDArray[np.intp], groups: NDArray[np.intp], *, control: int, last: int
) -> NDArray[np.intp]:
    """Return the codes with every second control cell of each group set apart.

    Parameters
    ----------
    codes, groups
        Perturbation and group of each cell, -1 for none; (cells,).
    control
        Code of control cells.
    last
        Code for those that are set apart.
    """
    split = codes.copy()
    for group in np.unique(groups):
        split[np.flatnonzero((codes == control) & (groups == group))[1::2]] = last
    return split


def _mean(parts: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over cells from means of parts, (parts, groups, width)."""
    mean: NDArray[np.float64] = (parts * sizes).sum(0) / np.maximum(sizes.sum(0), 1)
    return mean


def _tell_of_others(what: str, names: Sequence[str], *, kept: Sequence[int]) -> None:
    left = [name for i, name in enumerate(names) if i not in set(kept)]
    if left:
        warn(f"{len(left)} {what} have too few cells and are left out, such as {left[0]!r}.")
