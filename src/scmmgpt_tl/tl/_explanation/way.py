"""How attributions are found with a model, and finding them for many cells."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from scanpy import logging as logg

from scmmgpt_tl._settings import settings
from scmmgpt_tl.tl._answers.judge import Judge, published_judge
from scmmgpt_tl.tl._answers.scoring import scoring
from scmmgpt_tl.tl._chosen_model import is_published
from scmmgpt_tl.tl._kernels import probabilities

from .attribute import STEPS, IntegratedGradients, LeaveOneOut
from .log_odds import LogOdds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csc_matrix, csr_matrix

    from scmmgpt_tl.ontology import CellOntology
    from scmmgpt_tl.tl._annotated import Annotated
    from scmmgpt_tl.tl._labels import LabelSet
    from scmmgpt_tl.tl._session import Session

    from .attribute import Attributed, Attributor
    from .subjects import Subjects

__all__ = [
    "Method",
    "Way",
    "attribute",
    "check_method",
    "check_not_refined",
    "open_way",
    "read_cells",
]

Method: TypeAlias = Literal["integrated_gradients", "leave_one_out"]


class Way(NamedTuple):
    """How attributions are found, and the marker genes that have a say in them."""

    method: Method
    attributor: Attributor
    marker_weights: csc_matrix | None


def open_way(
    session: Session,
    asked: LabelSet,
    cl: CellOntology,
    *,
    method: Method | None,
    n_steps: int = STEPS,
) -> Way:
    """Choose how to attribute: by gradients where the encoder has them.

    Parameters
    ----------
    session
        The call, with its model.
    asked
        Labels of the annotation.
    cl
        The ontology that they are terms of.
    method
        What the user asked for, `None` for what suits the model.
    n_steps
        Points of the rule that integrates gradients.

    Raises
    ------
    ValueError
        Gradients are asked of a model that has none along its genes.
    """
    loaded, measured = session.loaded, session.measured
    adds_up = not is_published(loaded) and hasattr(
        session.model.network.cell_encoder, "forward_dense"
    )
    if method == "integrated_gradients" and not adds_up:
        msg = (
            f"{loaded.name} reads genes as a list, along which there are no gradients. Leave "
            "`method` out, or pass 'leave_one_out'."
        )
        raise ValueError(msg)
    if is_published(loaded):
        return Way("leave_one_out", LeaveOneOut(published_judge(loaded, asked, cl), measured), None)
    model = session.model
    how = scoring(asked, model, ontology=cl, measured=measured)
    weights = None if how.witness is None else how.witness.weights
    if method == "leave_one_out" or not adds_up:
        kernel = probabilities(model, how, measured=measured)
        judge = Judge(model, kernel, model.calibration)
        return Way("leave_one_out", LeaveOneOut(judge, measured), weights)
    odds = LogOdds(model, how, measured)
    return Way("integrated_gradients", IntegratedGradients(odds, n_steps=n_steps), weights)


def read_cells(session: Session, rows: NDArray[np.intp]) -> csr_matrix:
    """Return the counts of cells in any order.

    Parameters
    ----------
    session
        The call, with its input.
    rows
        Row numbers.
    """
    distinct, place = np.unique(rows, return_inverse=True)
    return session.prepared.take(distinct)[place]


def attribute(
    way: Way, rows: csr_matrix, subjects: Subjects, *, batch_size: int | None, desc: str
) -> Iterator[Attributed]:
    """Attribute all cells, with a progress bar, and tell how fast it went.

    Parameters
    ----------
    way
        How.
    rows
        Counts of the cells, `(n_cells, n_genes)`.
    subjects
        What is asked of each.
    batch_size
        Cells a batch; `None` for what suits the method.
    desc
        Title of the progress bar.
    """
    from tqdm.auto import tqdm

    sides = subjects.contests.sides[subjects.codes]
    wanted = settings.batch_size if batch_size is None else batch_size
    size = way.attributor.batch_size if wanted is None else wanted
    before = time.perf_counter()
    with tqdm(
        total=rows.shape[0], desc=desc, unit="cell", disable=not settings.show_progress
    ) as bar:
        for start in range(0, rows.shape[0], size):
            part = slice(start, start + size)
            yield way.attributor(rows[part], sides[part])
            bar.update(len(sides[part]))
    logg.info(f"    read {rows.shape[0] / (time.perf_counter() - before):.1f} cells/s")


def check_method(method: object) -> None:
    """Refuse a method that there is not.

    Parameters
    ----------
    method
        What the user asked for.

    Raises
    ------
    ValueError
        It is neither `None` nor one of the methods.
    """
    if method is not None and method not in get_args(Method):
        msg = f"`method` must be None or one of {get_args(Method)}, not {method!r}."
        raise ValueError(msg)


def check_not_refined(annotated: Annotated, key: str) -> None:
    """Refuse an annotation whose labels do not follow from the genes of each cell.

    Parameters
    ----------
    annotated
        The annotation.
    key
        Its `key_added`.

    Raises
    ------
    ValueError
        It was refined.
    """
    if "n_rounds" in annotated.params:
        first = annotated.params["key"]
        msg = (
            f"{key!r} was refined: its labels follow from all cells together, not from the genes of "
            f"each. Explain the annotation that it started from, with `key={str(first)!r}` and the "
            "`label` that you ask about."
        )
        raise ValueError(msg)
