"""What an annotation looks like in an AnnData, whoever made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scanpy import logging as logg

from scmmgpt_tl._results import Results, column_names
from scmmgpt_tl._stored import category_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scmmgpt_tl._keys import AnnotationKeys

    from ._answers.verdict import Verdict
    from ._labels import LabelSet

__all__ = ["annotation_results"]


def annotation_results(
    keys: AnnotationKeys,
    cells: Verdict,
    *,
    p: NDArray[np.floating],
    coverage: NDArray[np.float32],
    labels: LabelSet,
    params: Mapping[str, Any],
    tables: Mapping[str, Any],
    obs_names: pd.Index,
) -> Results:
    """Lay out what was found for every cell.

    Parameters
    ----------
    keys
        Where it goes.
    cells
        What is said of each cell.
    p
        Probability of each label in each cell, `(n_cells, n_labels)`.
    coverage
        How much of each cell the model could read, `(n_cells,)`.
    labels
        The labels.
    params
        Of the call.
    tables
        What else the record holds.
    obs_names
        Names of the cells.
    """
    reasons, numbers = np.unique(cells.reasons.astype(str), return_counts=True)
    counted = {str(reason): int(n) for reason, n in zip(reasons, numbers, strict=True)}
    unknown = "; ".join(f"{n} {reason}" for reason, n in counted.items() if reason != "ok")
    logg.info(f"    {counted.get('ok', 0)} cells have a label; unknown: {unknown or 'none'}")
    table = pd.DataFrame(
        {
            "name": list(labels.names),
            "cl_id": list(labels.cl_ids),
            "column": column_names(labels.names),
            "description": list(labels.descriptions),
        }
    )
    frame = pd.DataFrame(p.astype(np.float32), index=obs_names, columns=list(labels.names))
    record = {"params": params, "labels": table, "reasons": counted, **tables}
    return Results(
        obs={
            keys.label: _categorical(cells.labels),
            keys.score: cells.scores,
            keys.margin: cells.margins,
            keys.cl: _categorical(cells.cl_ids),
            keys.reason: _categorical(cells.reasons),
            keys.coverage: coverage,
        },
        obsm={keys.scores: frame},
        uns={keys.uns: record},
    )


def _categorical(values: NDArray[np.object_]) -> pd.Categorical:
    return pd.Categorical(values, categories=category_order(values))
