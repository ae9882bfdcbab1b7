"""What is said of each cell in the end, and of each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scmmgpt_tl.model.droplets import CELL, KINDS
from scmmgpt_tl.tl._labels import UNKNOWN

from .vote import agreement, group_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scmmgpt_tl.tl._groups import Groups

    from .decide import Decision

__all__ = [
    "LOW_SCORE",
    "OK",
    "UNREADABLE",
    "GroupVerdict",
    "Verdict",
    "judge_again",
    "judge_cells",
    "judge_groups",
    "spread",
]

FEW_GENES, LOW_SCORE, NO_COUNTS, NO_GROUP, OK = (
    "few genes",
    "low score",
    "no counts",
    "no group",
    "ok",
)
UNREADABLE = (FEW_GENES, NO_COUNTS)


class Verdict(NamedTuple):
    """One row per cell: label, id, score, margin, and why it is unknown (or `"ok"`)."""

    labels: NDArray[np.object_]
    cl_ids: NDArray[np.object_]
    scores: NDArray[np.float32]
    margins: NDArray[np.float32]
    reasons: NDArray[np.object_]


class GroupVerdict(NamedTuple):
    """One row per group.

    Parameters
    ----------
    decision
        Labels with their scores.
    agreement
        Share of the cells with the same label of their own, `(n_groups,)`.
    read
        Whether any cell of the group could be read, `(n_groups,)`.
    """

    decision: Decision
    agreement: NDArray[np.float64]
    read: NDArray[np.bool_]

    def table(self, groups: Groups) -> pd.DataFrame:
        """Lay the verdict out as a frame.

        Parameters
        ----------
        groups
            The groups.

        Returns
        -------
        One row per group, in their order.
        """
        found = self.decision
        return pd.DataFrame(
            {
                "group": list(groups.names),
                "label": list(found.labels),
                "cl_id": list(found.cl_ids),
                "score": found.scores,
                "support": found.support,
                "agreement": self.agreement.astype(np.float32),
                "runner_up": list(found.runners_up),
                "margin": found.margins,
                "n_cells": groups.sizes,
            }
        )


def judge_cells(
    decision: Decision,
    n_genes: NDArray[np.intp],
    droplet: NDArray[np.floating],
    *,
    min_genes: int,
) -> Verdict:
    """Leave cells unknown that are too poor to be read, and say why others are.

    Parameters
    ----------
    decision
        Answer per cell.
    n_genes
        Genes of the model that each cell expresses, `(n_cells,)`.
    droplet
        Chances of `scmmgpt_tl.model.droplets.KINDS`, `(n_cells, 3)`.
    min_genes
        How many it takes.

    Returns
    -------
    The verdict per cell.
    """
    why = np.array([LOW_SCORE, *KINDS[CELL + 1 :]], dtype=object)[droplet.argmax(axis=1)]
    reasons = np.where(decision.labels == UNKNOWN, why, OK).astype(object)
    reasons[n_genes < min_genes] = FEW_GENES
    reasons[n_genes == 0] = NO_COUNTS
    ok = reasons == OK
    return Verdict(
        labels=np.where(ok, decision.labels, UNKNOWN),
        cl_ids=np.where(ok, decision.cl_ids, ""),
        scores=np.where(reasons == NO_COUNTS, np.float32(0), decision.scores),
        margins=np.where(reasons == NO_COUNTS, np.float32(0), decision.margins),
        reasons=reasons,
    )


def judge_again(decision: Decision, before: NDArray[np.object_]) -> Verdict:
    """Judge cells anew that were judged before: what could not be read stays unknown.

    Parameters
    ----------
    decision
        New answer per cell.
    before
        Reasons of the first verdict; why a droplet is no cell was said there.

    Returns
    -------
    The verdict per cell.
    """
    unknown = decision.labels == UNKNOWN
    reasons = np.where(unknown, LOW_SCORE, OK).astype(object)
    kept = (unknown & (before != OK)) | np.isin(before, UNREADABLE)
    reasons[kept] = before[kept]
    ok = reasons == OK
    return Verdict(
        labels=np.where(ok, decision.labels, UNKNOWN),
        cl_ids=np.where(ok, decision.cl_ids, ""),
        scores=decision.scores,
        margins=decision.margins,
        reasons=reasons,
    )


def judge_groups(
    p: NDArray[np.floating],
    cells: Verdict,
    groups: Groups,
    *,
    decide: Callable[[NDArray[np.float64]], Decision],
) -> GroupVerdict:
    """Give each group the answer to its mean probabilities; poor cells have no vote.

    Parameters
    ----------
    p
        Probability of each label in each cell, `(n_cells, n_labels)`.
    cells
        Verdict per cell.
    groups
        The groups.
    decide
        Answers for rows of probabilities.

    Returns
    -------
    The verdict per group.
    """
    n_groups = len(groups.names)
    votes = ~np.isin(cells.reasons, UNREADABLE)
    codes = np.where(votes, groups.codes, -1)
    read = np.bincount(codes[codes >= 0], minlength=n_groups) > 0
    means = group_mean(p, codes, n_groups)
    means[~read] = 1 / p.shape[1]
    decision = decide(means)
    decision.labels[~read], decision.cl_ids[~read] = UNKNOWN, ""
    own = np.where(cells.reasons == OK, cells.labels, "")  # an unknown cell agrees with nothing
    return GroupVerdict(decision, agreement(own, decision.labels, groups.codes), read)


def spread(judged: GroupVerdict, cells: Verdict, groups: Groups) -> Verdict:
    """Give every cell the label of its group; cells without counts, or group, stay unknown.

    Parameters
    ----------
    judged
        Verdict per group.
    cells
        Verdict per cell.
    groups
        The groups.

    Returns
    -------
    The verdict per cell.
    """
    found, codes = judged.decision, groups.codes
    group_reasons = np.where(found.labels == UNKNOWN, LOW_SCORE, OK).astype(object)
    group_reasons[~judged.read] = FEW_GENES
    reasons = group_reasons[codes]
    reasons[codes < 0] = NO_GROUP
    reasons[cells.reasons == NO_COUNTS] = NO_COUNTS
    ok = reasons == OK
    grouped = codes >= 0
    return Verdict(
        labels=np.where(ok, found.labels[codes], UNKNOWN),
        cl_ids=np.where(ok, found.cl_ids[codes], ""),
        scores=np.where(grouped, found.scores[codes], cells.scores),
        margins=np.where(grouped, found.margins[codes], cells.margins),
        reasons=reasons,
    )
