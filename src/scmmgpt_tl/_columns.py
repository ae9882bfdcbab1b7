"""Columns of `obs` that the user names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_column"]


def read_column(
    obs: pd.DataFrame, column: str, *, argument: str, slot: str = ".obs"
) -> pd.Series[object]:
    """Return a column, or say which there are.

    Parameters
    ----------
    obs
        Table of the cells.
    column
        Its column.
    argument
        By which argument the user named it.
    slot
        What a message calls the table.

    Raises
    ------
    ValueError
        There is no such column.
    """
    if column not in obs:
        there = ", ".join(map(str, obs)) or "nothing: there are no columns"
        msg = f"Did not find {slot}[{column!r}]. Choose `{argument}` from {there}."
        raise ValueError(msg)
    return obs[column]
