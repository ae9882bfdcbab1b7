"""Two groups of cells that are to be compared, and what counts as one observation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scmmgpt_tl.tl._groups import read_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scmmgpt_tl.tl._groups import Groups

__all__ = ["TwoGroups", "Units", "choose_units", "read_two_groups"]

REST = "rest"
FEWEST_CELLS = 3
# A batch with fewer cells of a group is no observation of it; with fewer batches cells are compared.
FEWEST_IN_BATCH, FEWEST_BATCHES = 10, 3


class TwoGroups(NamedTuple):
    """Two groups.

    Parameters
    ----------
    names
        What they are called.
    code
        0 for cells of the first, 1 of the second, -1 for others, `(n_cells,)`.
    """

    names: tuple[str, str]
    code: NDArray[np.intp]


class Units(NamedTuple):
    """What counts as one observation.

    Parameters
    ----------
    kind
        `"cells"`; `"batches"`; or `"pairs"`, batches that hold cells of both groups.
    unit
        Observation that each cell is part of, in its group, -1 for none; `(n_cells,)`.
    sizes
        How many observations there are of each group.
    """

    kind: str
    unit: NDArray[np.intp]
    sizes: tuple[int, int]


def read_two_groups(obs: pd.DataFrame, a: object, b: object, *, groupby: str | None) -> TwoGroups:
    """Find the cells of two groups.

    Parameters
    ----------
    obs
        Table of the cells.
    a, b
        Names of groups of `groupby`, or masks over the cells; `None` as `b` for all others.
    groupby
        Column of the groups, `None` for masks.

    Raises
    ------
    ValueError
        A group is unknown, too small, or shares cells with the other.
    """
    if groupby is None:
        first = _mask(a, len(obs), "a")
        second = ~first if b is None else _mask(b, len(obs), "b")
        names = ("a", REST if b is None else "b")
    else:
        groups = read_groups(obs, groupby)
        first, name = _members(groups, a, "a")
        second, other = (
            ((groups.codes >= 0) & ~first, REST) if b is None else _members(groups, b, "b")
        )
        names = (name, other)
    if (first & second).any():
        msg = f"`a` and `b` share {int((first & second).sum())} cells. Choose groups that differ."
        raise ValueError(msg)
    for name, mask in zip(names, (first, second), strict=True):
        if mask.sum() < FEWEST_CELLS:
            msg = f"Group {name!r} has {int(mask.sum())} cells; {FEWEST_CELLS} are needed."
            raise ValueError(msg)
    return TwoGroups(names, np.where(first, 0, np.where(second, 1, -1)).astype(np.intp))


def choose_units(batch: pd.Series | None, code: NDArray[np.intp]) -> Units:
    """Count batches where there are enough of them, cells otherwise.

    Parameters
    ----------
    batch
        Batch of each cell, `None` where nobody said.
    code
        Group of each cell, `(n_cells,)`.
    """
    by_cells = Units(
        "cells", np.arange(len(code)), (int((code == 0).sum()), int((code == 1).sum()))
    )
    if batch is None:
        return by_cells
    number, _ = pd.factorize(batch.to_numpy())
    n = number.max(initial=-1) + 1
    counts = [np.bincount(number[(code == g) & (number >= 0)], minlength=n) for g in (0, 1)]
    first, second = (np.flatnonzero(found >= FEWEST_IN_BATCH) for found in counts)
    both = np.intersect1d(first, second)
    if len(both) >= FEWEST_BATCHES:
        unit = np.where(np.isin(number, both), number, -1)
        return Units("pairs", unit, (len(both), len(both)))
    if min(len(first), len(second)) >= FEWEST_BATCHES:
        kept = np.where(code == 0, np.isin(number, first), np.isin(number, second))
        return Units("batches", np.where(kept, number, -1), (len(first), len(second)))
    return by_cells


def _mask(given: object, n: int, name: str) -> NDArray[np.bool_]:
    mask = np.asarray(given)
    if mask.dtype != np.bool_ or mask.shape != (n,):
        msg = (
            f"`{name}` must be a mask of {n} booleans, one a cell, where `groupby` is not given. "
            "Name the column with `groupby` to give names of groups."
        )
        raise ValueError(msg)
    return mask


def _members(groups: Groups, given: object, name: str) -> tuple[NDArray[np.bool_], str]:
    if isinstance(given, Iterable) and not isinstance(given, str):
        asked = [str(one) for one in given]
    else:
        asked = [str(given)]
    missing = [one for one in asked if one not in groups.names]
    if missing or not asked:
        msg = (
            f"`{name}` names no group {', '.join(map(repr, missing)) or 'at all'}. "
            f"Choose from {', '.join(map(repr, groups.names))}."
        )
        raise ValueError(msg)
    place = [groups.names.index(one) for one in asked]
    return np.isin(groups.codes, place), " and ".join(asked)
