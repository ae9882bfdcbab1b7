"""What proteins say of an annotation, and both together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scmmgpt_tl._keys import AnnotationKeys
from scmmgpt_tl.ontology._roll_up import on_one_line
from scmmgpt_tl.proteins._agreement import DISAGREES, SILENT, SUPPORTS, Agreement, agree
from scmmgpt_tl.proteins._expected import contrast, expectations, log_odds

from ._annotation import annotation_results
from ._answers.decide import Rule, decide, read_level
from ._answers.judge import calibration_of
from ._answers.verdict import judge_again

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl._results import Results
    from scmmgpt_tl.model import EncoderModel, Model
    from scmmgpt_tl.ontology import CellOntology
    from scmmgpt_tl.proteins._panel import Panel

    from ._annotated import Annotated

__all__ = ["Evidence", "by_label", "joint_annotation", "weigh"]


class Evidence(NamedTuple):
    """What proteins say of an annotation.

    Parameters
    ----------
    agreement
        One row a cell.
    rivals
        Names of the labels that fit better, `""` where none does; `(n_cells,)`.
    expected
        What cells of each answer should show: a frame of `label` and one column a protein.
    """

    agreement: Agreement
    rivals: NDArray[np.object_]
    expected: pd.DataFrame


def weigh(annotated: Annotated, panel: Panel, *, ontology: CellOntology) -> Evidence:
    """Look up what the answers let expect of the proteins, and compare.

    Parameters
    ----------
    annotated
        The annotation.
    panel
        The proteins.
    ontology
        Which label is which kind of cell.
    """
    labels, cells = annotated.labels, annotated.cells[["label", "cl_id"]].astype(str)
    # A cell may have a term above the labels that were asked for.
    answers = cells.drop_duplicates("label").reset_index(drop=True)
    code = pd.Index(answers["label"]).get_indexer(cells["label"])
    ids = tuple(answers["cl_id"])
    expected = expectations(panel.proteins, ids, ontology=ontology)
    of_labels = expectations(panel.proteins, labels.cl_ids, ontology=ontology)
    same = answers["label"].to_numpy()[:, None] == np.array(labels.names)
    related = on_one_line(ids, labels.cl_ids, ontology=ontology)
    names = [protein.name for protein in panel.proteins]
    found = agree(
        panel.by_protein, names, expected[code], labels=of_labels, rivals=~(same | related)[code]
    )
    frame = pd.DataFrame(expected, columns=names, dtype=np.float32)
    frame.insert(0, "label", answers["label"])
    rivals = np.array([*labels.names, ""], dtype=object)[found.rival]
    return Evidence(found, rivals, frame)


def by_label(annotated: Annotated, evidence: Evidence) -> pd.DataFrame:
    """Count verdicts by label, and what is not as expected where they disagree.

    Parameters
    ----------
    annotated
        The annotation.
    evidence
        What proteins say of it.

    Returns
    -------
    One row per label that cells have.
    """
    cells, found = annotated.cells[["label", "cl_id"]].astype(str), evidence.agreement
    rows = []
    for label, own in cells.groupby("label", sort=True).indices.items():
        verdicts = [int((found.verdict[own] == v).sum()) for v in (SUPPORTS, DISAGREES, SILENT)]
        odd = own[found.verdict[own] == DISAGREES]
        against = [text for texts in found.against[odd] for text in texts.split("; ")]
        commonest = _commonest(against, n=3), _commonest(evidence.rivals[odd], n=1)
        rows.append((label, cells["cl_id"].iloc[own[0]], len(own), *verdicts, *commonest))
    columns = ["label", "cl_id", "n_cells", SUPPORTS, DISAGREES, SILENT, "against", "rival"]
    return pd.DataFrame(rows, columns=columns)


def joint_annotation(
    annotated: Annotated,
    panel: Panel,
    loaded: Model | EncoderModel,
    *,
    ontology: CellOntology,
    params: Mapping[str, Any],
) -> Results:
    """Revise the probabilities of labels by the proteins; the chance to be one cell stays.

    The odds of each label against the one that RNA is most for are multiplied by what the proteins
    say on which these two differ.

    Parameters
    ----------
    annotated
        The annotation.
    panel
        The proteins.
    loaded
        Model that annotated.
    ontology
        Which label is which kind of cell.
    params
        Of the call, with the `key_added` of the joint annotation.
    """
    single = annotated.p.sum(axis=1, keepdims=True)
    expected = expectations(panel.proteins, annotated.labels.cl_ids, ontology=ontology)
    odds = log_odds(panel.by_protein)
    gain = -contrast(odds, expected[annotated.p.argmax(axis=1)], expected)
    p = annotated.p * np.exp(gain - gain.max(axis=1, keepdims=True))
    p *= single / np.maximum(p.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    level, labels = annotated.params.get("level"), annotated.labels
    level = level if level is None or isinstance(level, str) else [str(term) for term in level]
    limit = float(annotated.params["threshold"])
    asked = read_level(level, labels=labels, ontology=ontology)
    decision = decide(
        p.astype(np.float32), labels, Rule(asked, limit, calibration_of(loaded), ontology)
    )
    reasons = annotated.cells["reason"].to_numpy().astype(object)
    return annotation_results(
        AnnotationKeys(str(params["key_added"])),
        judge_again(decision, reasons),
        p=p,
        coverage=annotated.coverage,
        labels=labels,
        params={**params, "threshold": limit, **({} if level is None else {"level": level})},
        tables={},
        obs_names=annotated.cells.index,
    )


def _commonest(texts: Sequence[str], *, n: int) -> str:
    counts = pd.Series([text for text in texts if text], dtype=object).value_counts()
    return "; ".join(f"{text} ({number})" for text, number in counts.head(n).items())
