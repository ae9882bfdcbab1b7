"""Checking and recording arguments that several tools take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["as_given", "check_arguments", "check_whole"]


def check_arguments(
    labels: Sequence[str] | Mapping[str, str] | None,
    *,
    tissue: str | Sequence[str] | None,
    threshold: float | None,
) -> None:
    """Refuse arguments that cannot be meant.

    Parameters
    ----------
    labels, tissue, threshold
        As the tools document them.

    Raises
    ------
    ValueError
        `tissue` and `labels` exclude each other, or the threshold is no probability.
    """
    if labels is not None and tissue is not None:
        msg = "`tissue` chooses among the model's own labels. Leave it out where you give `labels`."
        raise ValueError(msg)
    if threshold is not None and not 0 <= threshold <= 1:
        msg = f"`threshold` must lie between 0 and 1, not {threshold!r}."
        raise ValueError(msg)


def as_given(
    labels: Sequence[str] | Mapping[str, str] | None,
) -> list[str] | dict[str, str] | None:
    """Copy what the user said of the labels, for the record.

    Parameters
    ----------
    labels
        As the tools document it.

    Returns
    -------
    A plain list or dict.
    """
    if labels is None:
        return None
    return dict(labels) if isinstance(labels, Mapping) else list(labels)


def check_whole(name: str, value: Any, *, least: int) -> None:
    """Refuse what is no whole number, or too small.

    Parameters
    ----------
    name
        Of the argument.
    value
        What was given.
    least
        The smallest that can be meant.

    Raises
    ------
    ValueError
        If it cannot be meant.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:
        msg = f"`{name}` must be a whole number, {least} or more, found {value!r}."
        raise ValueError(msg)
