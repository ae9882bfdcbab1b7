"""Labels that the user gave cells, as a column of `obs` holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl._columns import read_column

from ._labels import UNKNOWN

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["given_codes", "given_labels"]


def given_labels(adata: AnnData, labels_key: str, *, slot: str = ".obs") -> list[str]:
    """Return the label that the user gave each cell, `""` where none: missing, empty, "unknown".

    Parameters
    ----------
    adata
        Cells.
    labels_key
        Column of `.obs`.
    slot
        What a message calls the table.

    Raises
    ------
    ValueError
        There is no such column.
    """
    column = read_column(adata.obs, labels_key, argument="labels_key", slot=slot)
    texts = (str(text).strip() for text in column.astype(object).where(column.notna(), ""))
    return ["" if text.casefold() == UNKNOWN else text for text in texts]


def given_codes(
    adata: AnnData, labels_key: str, *, slot: str = ".obs"
) -> tuple[list[str], NDArray[np.intp]]:
    """Return the labels of a column, sorted, and the label of each cell, -1 for none.

    Parameters
    ----------
    adata
        Cells.
    labels_key
        Column of `.obs`.
    slot
        What a message calls the table.

    Raises
    ------
    ValueError
        There is no such column, or it holds fewer than two labels.
    """
    said = given_labels(adata, labels_key, slot=slot)
    names = sorted(set(said) - {""})
    if len(names) < 2:
        msg = f"{slot}[{labels_key!r}] must hold at least two labels, found {names}."
        raise ValueError(msg)
    place = {text: i for i, text in enumerate(names)}
    return names, np.array([place.get(text, -1) for text in said], dtype=np.intp)
