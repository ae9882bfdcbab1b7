"""Perturbed cells beside the control cells of their group."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl._warnings import warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.tl._pseudobulk import Pseudobulk

__all__ = ["Compared", "compare"]


class Compared(NamedTuple):
    """Shifts of what has enough cells, and the control cells of its groups."""

    names: tuple[str, ...]
    groups: tuple[str, ...]
    shifts: NDArray[np.float64]  # (perturbations, groups, genes)
    n_cells: NDArray[np.int64]  # (perturbations, groups), 0 where there are too few
    control: NDArray[np.float64]  # (groups, genes)
    cells: NDArray[np.float64]  # (groups, width), embedding of the control cells

    def only(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Compared:
        """Return some perturbations in some groups, as if the others had never been measured."""
        return Compared(
            tuple(self.names[i] for i in rows),
            tuple(self.groups[i] for i in columns),
            self.shifts[np.ix_(rows, columns)],
            self.n_cells[np.ix_(rows, columns)],
            self.control[columns],
            self.cells[columns],
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
        Of the cells of each perturbation in each group, perturbation by perturbation.
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
    shape = len(names), len(groups)
    n_cells = means.n_cells.reshape(shape)
    enough = n_cells >= max(min_cells, 1)
    place = names.index(control)
    # A shift needs both its cells and control cells.
    there = enough & enough[place]
    there[place] = False
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    if not rows.size:
        msg = (
            f"No group has {min_cells} perturbed and {min_cells} control cells. Lower `min_cells`, "
            "or choose larger groups by `groupby`."
        )
        raise ValueError(msg)
    _tell_of_others("perturbations", names, kept=[place, *rows])
    _tell_of_others("groups", groups, kept=columns)
    expression = means.expression.reshape(*shape, -1)
    base = expression[place, columns]
    own = there[np.ix_(rows, columns)]
    return Compared(
        names=tuple(names[i] for i in rows),
        groups=tuple(groups[i] for i in columns),
        shifts=(expression[np.ix_(rows, columns)] - base) * own[..., None],
        n_cells=n_cells[np.ix_(rows, columns)] * own,
        control=base,
        cells=means.cells.reshape(*shape, -1)[place, columns],
    )


def _tell_of_others(what: str, names: Sequence[str], *, kept: Sequence[int]) -> None:
    left = [name for i, name in enumerate(names) if i not in set(kept)]
    if left:
        warn(f"{len(left)} {what} have too few cells and are left out, such as {left[0]!r}.")
