"""Labels that the user's cells have, as a column of `obs` holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._labels import UNKNOWN

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["read_known_labels"]


def read_known_labels(
    obs: pd.DataFrame, labels_key: str, *, slot: str = ".obs"
) -> tuple[list[str], NDArray[np.intp]]:
    """Return the labels of a column, sorted, and the label of each cell, -1 for none.

    Parameters
    ----------
    obs
        Table of the cells.
    labels_key
        Its column; cells without a label, and those called "unknown", have none.
    slot
        What messages call the table.

    Raises
    ------
    ValueError
        There is no such column, or it holds fewer than two labels.
    """
    if labels_key not in obs:
        msg = (
            f"Did not find {slot}[{labels_key!r}] of `labels_key`. "
            f"Choose from {', '.join(map(repr, obs.columns)) or 'no column'}."
        )
        raise ValueError(msg)
    column = obs[labels_key]
    said = np.where(column.isna(), "", column.astype(str).str.strip())
    names = sorted({str(text) for text in said if str(text).casefold() not in {"", UNKNOWN}})
    if len(names) < 2:
        msg = f"{slot}[{labels_key!r}] must hold at least two labels, found {names}."
        raise ValueError(msg)
    place = {text: i for i, text in enumerate(names)}
    return names, np.array([place.get(str(text), -1) for text in said], dtype=np.intp)
