"""What the model, and nobody else, says of the cells of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scmmgpt_tl import ontology
from scmmgpt_tl.tl._annotated import read_annotated
from scmmgpt_tl.tl._answers.decide import Rule, decide, read_level
from scmmgpt_tl.tl._answers.judge import own_judge
from scmmgpt_tl.tl._answers.verdict import UNREADABLE, judge_cells
from scmmgpt_tl.tl._kernels import embedding
from scmmgpt_tl.tl._labels import resolve_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.tl._session import Session

__all__ = ["Said", "read_said"]


class Said(NamedTuple):
    """Labels and, where they were asked for, vectors of all cells.

    Parameters
    ----------
    p
        Probability of each label in each cell, `(n_cells, n_labels)`.
    labels
        Label of each cell, or `"unknown"`, `(n_cells,)`.
    reasons
        `"ok"`, or why the cell is unknown, `(n_cells,)`.
    vectors
        Embedding, `(n_cells, width)`; without columns where nobody asked for it.
    coverage
        How much of each cell the model could read, `(n_cells,)`.
    """

    p: NDArray[np.floating]
    labels: NDArray[np.object_]
    reasons: NDArray[np.object_]
    vectors: NDArray[np.float32]
    coverage: NDArray[np.float32]

    @property
    def readable(self) -> NDArray[np.bool_]:
        """Cells with enough genes to say anything of them, `(n_cells,)`."""
        return ~np.isin(self.reasons, UNREADABLE)


def read_said(session: Session, key: str | None, *, vectors: bool, batch_size: int | None) -> Said:
    """Read an annotation, or let the model choose among its own labels now.

    Parameters
    ----------
    session
        The call.
    key
        Of the annotation; `None` asks the model.
    vectors
        Whether the embedding is wanted.
    batch_size
        Cells per pass.

    Raises
    ------
    ValueError
        There is no such annotation.
    """
    if key is None:
        return _ask(session, batch_size=batch_size)
    annotated = read_annotated(session.adata, key)
    labels = annotated.cells["label"].to_numpy().astype(object)
    found = np.zeros((len(labels), 0), dtype=np.float32)
    if vectors:
        found = session.run(embedding, batch_size=batch_size, desc="embed")["cell"]
    return Said(annotated.p, labels, annotated.reasons, found, annotated.coverage)


def _ask(session: Session, *, batch_size: int | None) -> Said:
    cl = ontology.load()
    asked = resolve_labels(None, own=session.model.labels, tissue=None, ontology=cl)
    judge = own_judge(session, asked, cl)

    def kernel(states: Any, rows: csr_matrix) -> dict[str, Any]:
        return embedding(states, rows) | judge.kernel(states, rows)

    found = session.run(kernel, batch_size=batch_size, desc="integrate")
    calibration = judge.calibration
    level = read_level(None, labels=asked, ontology=cl)
    decision = decide(found["p"], asked, Rule(level, calibration.threshold, calibration, cl))
    least = session.min_genes(calibration)
    cells = judge_cells(decision, found["n_genes"], found["droplet"], min_genes=least)
    return Said(found["p"], cells.labels, cells.reasons, found["cell"], found["coverage"])
