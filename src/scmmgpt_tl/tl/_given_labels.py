"""Labels that the user gave cells, as a column of `obs` holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._labels import UNKNOWN

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["given_labels"]


def given_labels(adata: AnnData, labels_key: str) -> list[str]:
    """Return the label that the user gave each cell, `""` where none: missing, empty, "unknown".

    Parameters
    ----------
    adata
        Cells.
    labels_key
        Column of `.obs`.

    Raises
    ------
    ValueError
        There is no such column.
    """
    if labels_key not in adata.obs:
        msg = (
            f"Did not find .obs[{labels_key!r}]. Choose `labels_key` from "
            f"{', '.join(map(str, adata.obs))}."
        )
        raise ValueError(msg)
    column = adata.obs[labels_key]
    texts = (str(text).strip() for text in column.astype(object).where(column.notna(), ""))
    return ["" if text.casefold() == UNKNOWN else text for text in texts]
