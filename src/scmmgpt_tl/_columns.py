"""Columns of `obs` that the user names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_column", "read_full_column"]


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


def read_full_column(obs: pd.DataFrame, column: str, *, argument: str) -> pd.Series[object]:
    """Return a column in which every cell must have a value: one without is of no sample of its own.

    Parameters
    ----------
    obs, column, argument
        As for :func:`read_column`.

    Raises
    ------
    ValueError
        There is no such column, or cells have nothing in it.
    """
    found = read_column(obs, column, argument=argument)
    if missing := int(found.isna().sum()):
        msg = (
            f"{missing} cells have nothing in .obs[{column!r}] of `{argument}`. Fill these in, or "
            "leave the cells out."
        )
        raise ValueError(msg)
    return found
