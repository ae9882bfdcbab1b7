"""Reading two groups of cells that are to be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from scmmgpt_tl import ontology
from scmmgpt_tl.tl._answers.decide import Level, Rule, decide
from scmmgpt_tl.tl._answers.scoring import scoring
from scmmgpt_tl.tl._kernels import probabilities
from scmmgpt_tl.tl._labels import UNKNOWN, embed_wordings, resolve_labels
from scmmgpt_tl.tl._search import read_query

from .two_groups import FEWEST_CELLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.scmmgpt import CellStates
    from scmmgpt_tl.tl._session import Session

    from .two_groups import TwoGroups

__all__ = ["Compared", "read_compared", "read_texts"]


class Compared(NamedTuple):
    """Cells of both groups that could be read.

    Parameters
    ----------
    counts
        Over the model's genes, `(n_cells, n_genes)`.
    code
        Group of each cell, `(n_cells,)`.
    labels
        Cell type of each cell, `(n_cells,)`.
    cosine
        Similarity to the texts, `(n_cells, n_texts)`.
    batch
        Batch of each cell, `None` where nobody said.
    """

    counts: sparse.csr_matrix
    code: NDArray[np.intp]
    labels: NDArray[np.object_]
    cosine: NDArray[np.float32]
    batch: pd.Series | None


def read_compared(
    session: Session,
    groups: TwoGroups,
    rows: NDArray[np.intp],
    *,
    vectors: NDArray[np.float32],
    columns: tuple[str | None, str | None],
    batch_size: int | None,
) -> tuple[Compared, pd.DataFrame]:
    """Send the cells through the model, and keep those that could be read.

    Parameters
    ----------
    session
        The call, on the cells of both groups.
    groups
        The groups, of all cells.
    rows
        Which of all cells are those of the session.
    vectors
        Unit vectors of the texts, `(n_texts, width)`.
    columns
        Of batches and of cell types, either `None` where not given.
    batch_size
        Cells per pass.

    Returns
    -------
    The cells, and a frame of what they are: `group`, `n_cells`, `n_unread`, and the medians `counts`,
    `genes` and `coverage`.

    Raises
    ------
    ValueError
        Hardly any cell of a group can be read.
    """
    found = session.run(_kernel(session, vectors), batch_size=batch_size, desc="compare")
    counts = sparse.vstack(list(session.blocks()), format="csr")
    code = groups.code[rows]
    readable = found["n_genes"] >= session.min_genes()
    totals = np.asarray(counts.sum(axis=1)).ravel()
    table = pd.DataFrame(
        {
            "group": list(groups.names),
            "n_cells": [int((readable & (code == g)).sum()) for g in (0, 1)],
            "n_unread": [int((~readable & (code == g)).sum()) for g in (0, 1)],
            "counts": [float(np.median(totals[code == g])) for g in (0, 1)],
            "genes": [float(np.median(found["n_genes"][code == g])) for g in (0, 1)],
            "coverage": [float(np.median(found["coverage"][code == g])) for g in (0, 1)],
        }
    )
    if table["n_cells"].min() < FEWEST_CELLS:
        poor = table.loc[table["n_cells"].idxmin(), "group"]
        msg = f"Fewer than {FEWEST_CELLS} cells of {poor!r} express genes enough to be read."
        raise ValueError(msg)
    obs = session.adata.obs.iloc[rows]
    batch_key, labels_key = columns
    if labels_key is None:
        cl, calibration = ontology.load(), session.model.calibration
        asked = resolve_labels(None, own=session.model.labels, tissue=None, ontology=cl)
        rule = Rule(Level("label"), calibration.threshold, calibration, cl)
        labels = decide(found["p"], asked, rule).labels
    else:
        column = obs[labels_key]
        labels = column.astype(object).where(column.notna(), UNKNOWN).astype(str).to_numpy()
    kept = np.flatnonzero(readable)
    batch = None if batch_key is None else obs[batch_key].iloc[kept]
    return Compared(counts[kept], code[kept], labels[kept], found["cosine"][kept], batch), table


def read_texts(
    terms: Sequence[str] | None, model: Model
) -> tuple[Sequence[str], NDArray[np.float32]]:
    """Return what groups are compared by, and its unit vectors, `(n_texts, width)`.

    Parameters
    ----------
    terms
        Texts of the user; `None` for the model's own labels.
    model
        Embeds texts.
    """
    if terms is None:
        return model.labels.names, model.label_embeddings
    names = list(dict.fromkeys(text.strip() for text in terms))
    wordings = [read_query(text, ontology=ontology.load())[1] for text in names]
    return names, embed_wordings(wordings, model)


def _kernel(session: Session, vectors: NDArray[np.float32]) -> Callable[..., dict[str, Any]]:
    model, cl = session.model, ontology.load()
    own = resolve_labels(None, own=model.labels, tissue=None, ontology=cl)
    how = scoring(own, model, ontology=cl, measured=session.measured)
    compare_labels = probabilities(model, how, measured=session.measured)

    def kernel(states: CellStates, rows: sparse.csr_matrix) -> dict[str, Any]:
        cosine = model.similarity(states.projected, vectors).float().cpu().numpy()
        return {"cosine": cosine, **compare_labels(states, rows)}

    return kernel
