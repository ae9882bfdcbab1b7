"""Who says how well labels fit a cell: our model, or a published one by its own rule."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scmmgpt_tl._input import n_genes
from scmmgpt_tl.model.calibration import Calibration
from scmmgpt_tl.model.droplets import CELL, KINDS
from scmmgpt_tl.tl._kernels import probabilities

from .scoring import scoring

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.model.cell_text_model import CellTextModel, Comparison
    from scmmgpt_tl.ontology import CellOntology
    from scmmgpt_tl.tl._labels import LabelSet
    from scmmgpt_tl.tl._session import Session
    from scmmgpt_tl.tl._workers.rows import Kernel, Reading

    from .scoring import Scoring

__all__ = [
    "UNCALIBRATED",
    "Judge",
    "calibration_of",
    "own_judge",
    "own_reading",
    "published_judge",
    "published_reading",
]

# Nothing was fitted: shares are scores as they are, and none is too low.
UNCALIBRATED = Calibration(temperature=1, slope=1, intercept=0, threshold=0, min_genes=1)


class Judge(NamedTuple):
    """How cells are read and scored for a set of labels.

    Parameters
    ----------
    reader
        Encodes batches of counts.
    kernel
        What is kept of a batch: `p`, `droplet` and `n_genes`.
    calibration
        From a probability to a score, and how high it must be.
    """

    reader: Any
    kernel: Callable[[Any, csr_matrix], dict[str, Any]]
    calibration: Calibration


def calibration_of(model: Model | EncoderModel) -> Calibration:
    """Return how a model's probabilities become scores."""
    return getattr(model, "calibration", UNCALIBRATED)


def own_judge(session: Session, asked: LabelSet, ontology: CellOntology) -> Judge:
    """Let our model judge.

    Parameters
    ----------
    session, asked, ontology
        As for :func:`own_reading`.
    """
    reading = own_reading(session, asked, ontology)
    return Judge(*reading(session.model), session.model.calibration)


def own_reading(session: Session, asked: LabelSet, ontology: CellOntology) -> Reading:
    """Tell how our model reads cells to score labels.

    Parameters
    ----------
    session
        The call.
    asked
        The labels.
    ontology
        Which label is which kind of cell.
    """
    how = scoring(asked, session.model, ontology=ontology, measured=session.measured)
    return partial(_by_own_model, how=how, measured=session.measured)


def published_judge(model: CellTextModel, asked: LabelSet, ontology: CellOntology) -> Judge:
    """Let a published model judge.

    Parameters
    ----------
    model, asked, ontology
        As for :func:`published_reading`.
    """
    return Judge(*published_reading(model, asked, ontology)(model), UNCALIBRATED)


def published_reading(model: CellTextModel, asked: LabelSet, ontology: CellOntology) -> Reading:
    """Tell how a published model scores labels, which are written as it was trained to read them.

    Parameters
    ----------
    model
        Compares cells with texts.
    asked
        The labels; one without a description has the definition of its term.
    ontology
        Defines terms.
    """
    described = zip(asked.names, asked.descriptions, asked.cl_ids, strict=True)
    texts = [
        model.label_text(name, text or (ontology.definition(key) if key else ""))
        for name, text, key in described
    ]
    return partial(_by_published_rule, texts=texts)


def _by_own_model(model: Model, *, how: Scoring, measured: NDArray[np.bool_]) -> tuple[Any, Kernel]:
    return model, probabilities(model, how, measured=measured)


def _by_published_rule(model: CellTextModel, *, texts: Sequence[str]) -> tuple[Any, Kernel]:
    def kernel(found: Comparison, rows: csr_matrix) -> dict[str, Any]:
        seen = n_genes(rows)
        p = model.shares(found.score).numpy()
        p[seen == 0] = 1 / p.shape[1]
        # It knows of no doublets and no empty droplets.
        droplet = np.zeros((len(p), len(KINDS)), dtype=np.float32)
        droplet[:, CELL] = 1
        return {"p": p, "droplet": droplet, "n_genes": seen}

    return model.asking(texts), kernel
