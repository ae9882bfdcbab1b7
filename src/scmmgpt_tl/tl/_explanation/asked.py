"""What is asked of an annotation: by which labels, and of which cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from scmmgpt_tl import ontology
from scmmgpt_tl.tl._annotated import labels_again, read_annotated
from scmmgpt_tl.tl._answers.decide import Rule, read_level
from scmmgpt_tl.tl._answers.judge import calibration_of

from .contest import Rivals
from .subjects import choose_groups
from .way import check_not_refined

if TYPE_CHECKING:
    from collections.abc import Callable

    from scmmgpt_tl.ontology import CellOntology
    from scmmgpt_tl.tl._labels import LabelSet
    from scmmgpt_tl.tl._session import Session

    from .subjects import Question, Subjects

__all__ = ["Asked", "ask"]


class Asked(NamedTuple):
    """What is explained, and by what.

    Parameters
    ----------
    labels
        Of the annotation.
    subjects
        Cells, or groups of them.
    ontology
        Cell Ontology.
    """

    labels: LabelSet
    subjects: Subjects
    ontology: CellOntology


def ask(
    session: Session,
    question: Question,
    *,
    key: str,
    groupby: str | None,
    ungrouped: Callable[..., Subjects],
) -> Asked:
    """Read an annotation again, and choose what of it is explained.

    Parameters
    ----------
    session
        The call.
    question
        What the user asks.
    key
        Name of the annotation.
    groupby
        Column of groups, if there are any.
    ungrouped
        Chooses where there are none, as :func:`~.subjects.choose_cells` does.

    Raises
    ------
    ValueError
        The cells were not annotated under `key`, or with another model, or refined; a label is none
        of the annotation; a column is missing; or nothing is left to explain.
    """
    cl, loaded, obs = ontology.load(), session.loaded, session.adata.obs
    annotated = read_annotated(session.adata, key, model=loaded)
    check_not_refined(annotated, key)
    labels = labels_again(annotated, model=loaded, ontology=cl)
    answer = read_level(annotated.level, labels=labels, ontology=cl)
    rivals = Rivals(labels, answer, cl)
    if groupby is None:
        return Asked(labels, ungrouped(annotated, rivals, question, obs_names=obs.index), cl)
    rule = Rule(answer, float(annotated.params["threshold"]), calibration_of(loaded), cl)
    subjects = choose_groups(annotated, rivals, question, obs=obs, groupby=groupby, rule=rule)
    return Asked(labels, subjects, cl)
