"""What became of the labels of a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._annotation import annotation_df
from ._record import read_record

if TYPE_CHECKING:
    from anndata import AnnData


def label_transfer_df(adata: AnnData, *, key: str = "scmm_transferred") -> pd.DataFrame:
    """Count the cells of every label that was transferred; ``annotation_df`` has them one by one.

    Parameters
    ----------
    adata
        Cells with labels from :func:`scmmgpt_tl.tl.label_transfer`.
    key
        Its `key_added`.

    Returns
    -------
    One row per label of the reference, `label`, `cl_id`, `n_reference` (cells that carry it there),
    `n_cells` (cells that got it) and `score` (their mean score, missing where there are none); and
    below them one row per reason for which cells are unknown, named by it in `label`, without
    reference.

    Raises
    ------
    ValueError
        No labels were transferred under this key.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> blood = scmm.datasets.pbmc68k()
    >>> blood.obs["type"] = blood.obs["bulk_labels"].map(
    ...     {"CD19+ B": "B cell", "CD56+ NK": "natural killer cell"}
    ... )
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.label_transfer(adata, blood, "type", reference_counts="lognorm")
    >>> list(scmm.get.label_transfer_df(adata))
    ['label', 'cl_id', 'n_reference', 'n_cells', 'score']
    """
    record = read_record(adata, key, needs="reference", tool="label_transfer")
    cells = annotation_df(adata, key=key)
    table = record["reference"].rename(columns={"n_cells": "n_reference"})
    label = cells["label"].astype(str)
    # A cell that is unknown is counted under its reason, which stands below the labels.
    name = label.where(label != "unknown", cells["reason"].astype(str))
    found = cells["score"].astype(float).groupby(name.to_numpy()).agg(["size", "mean"])
    reasons = sorted(set(found.index) - set(table["label"].astype(str)))
    below = pd.DataFrame({"label": reasons, "cl_id": "", "n_reference": 0})
    frame = pd.concat([table, below], ignore_index=True)
    frame["n_cells"] = found["size"].reindex(frame["label"]).fillna(0).to_numpy().astype(np.int64)
    frame["score"] = found["mean"].reindex(frame["label"]).to_numpy().astype(np.float32)
    return frame
