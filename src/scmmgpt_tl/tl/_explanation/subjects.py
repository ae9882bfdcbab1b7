"""Which cells are explained, each by itself or as parts of groups, and what is asked of them."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl.tl._answers.decide import decide
from scmmgpt_tl.tl._answers.verdict import UNREADABLE
from scmmgpt_tl.tl._answers.vote import group_mean
from scmmgpt_tl.tl._groups import read_groups
from scmmgpt_tl.tl._labels import UNKNOWN

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from scmmgpt_tl.tl._annotated import Annotated
    from scmmgpt_tl.tl._answers.decide import Rule

    from .contest import Contests, Rivals

__all__ = ["Question", "Subjects", "choose_cells", "choose_groups", "choose_labels"]


class Question(NamedTuple):
    """What the user asks.

    Parameters
    ----------
    label
        Label to explain, `None` for the one that was given.
    against
        Label to set it against, `None` for the runner-up.
    max_cells
        Most cells of all, or of each group; `None` for no limit.
    """

    label: str | None
    against: str | None
    max_cells: int | None


class Subjects(NamedTuple):
    """What is explained.

    Parameters
    ----------
    kind
        `"cell"` or `"group"`.
    names
        Of each subject.
    contests
        Which labels are set against which, a row a subject.
    rows
        Row numbers of the cells, those of a subject side by side, `(n_cells,)`.
    codes
        Ascending number of the subject of each, `(n_cells,)`.
    """

    kind: str
    names: tuple[str, ...]
    contests: Contests
    rows: NDArray[np.intp]
    codes: NDArray[np.intp]


def choose_cells(
    annotated: Annotated, rivals: Rivals, asked: Question, *, obs_names: pd.Index
) -> Subjects:
    """Choose cells to explain one by one, in the order of the data.

    Parameters
    ----------
    annotated
        The annotation.
    rivals
        Finds what a label is set against.
    asked
        What the user asks.
    obs_names
        Names of the cells.

    Raises
    ------
    ValueError
        A label is unknown, or nothing is left to explain.
    """
    labels = _labels(annotated, asked)
    rows = np.sort(sample(_standing(labels, rivals, asked), obs_names, asked.max_cells))
    contests = rivals.meet(labels[rows].tolist(), annotated.p[rows], against=asked.against)
    names = tuple(map(str, obs_names[rows]))
    return Subjects("cell", names, contests, rows, np.arange(len(rows)))


def choose_groups(
    annotated: Annotated,
    rivals: Rivals,
    asked: Question,
    *,
    obs: pd.DataFrame,
    groupby: str,
    rule: Rule,
) -> Subjects:
    """Choose cells of groups, whose label is that of the mean probabilities of their cells.

    Parameters
    ----------
    annotated
        The annotation.
    rivals
        Finds what a label is set against.
    asked
        What the user asks.
    obs
        Table of the cells.
    groupby
        Column with the groups.
    rule
        How the annotation chose its answers.

    Raises
    ------
    ValueError
        There is no such column, a label is unknown, or nothing is left to explain.
    """
    groups = read_groups(obs, groupby)
    readable = ~np.isin(annotated.reasons, UNREADABLE)
    codes = np.where(readable, groups.codes, -1)
    p = group_mean(annotated.p, codes, len(groups.names))
    read = np.bincount(codes[codes >= 0], minlength=len(groups.names)) > 0
    labels = np.where(read, _group_labels(annotated, codes, p, groupby=groupby, rule=rule), "")
    if asked.label is not None:
        labels = np.where(read, asked.label, "").astype(object)
    held = _standing(labels, rivals, asked)
    chosen = [sample(np.flatnonzero(codes == g), obs.index, asked.max_cells) for g in held]
    return Subjects(
        "group",
        tuple(groups.names[g] for g in held),
        rivals.meet(labels[held].tolist(), p[held], against=asked.against),
        np.concatenate(chosen),
        np.repeat(np.arange(len(held)), [len(rows) for rows in chosen]),
    )


def choose_labels(
    annotated: Annotated, rivals: Rivals, asked: Question, *, obs_names: pd.Index
) -> Subjects:
    """Choose cells of labels: those of one label are a group, and are asked the same.

    Parameters
    ----------
    annotated
        The annotation.
    rivals
        Finds what a label is set against: by default the strongest other one in the mean of its
        cells.
    asked
        What the user asks; a label that is named is the only group.
    obs_names
        Names of the cells.

    Raises
    ------
    ValueError
        A label is unknown, or nothing is left to explain.
    """
    given = annotated.cells["label"].astype(str).to_numpy(dtype=object)
    if asked.label is None:
        names = sorted(set(given) - {UNKNOWN})
    else:
        rivals.members(asked.label)
        names = [asked.label] if asked.label in given else []
    labels = np.array(names, dtype=object)
    names = [names[place] for place in _standing(labels, rivals, asked)]
    chosen = [sample(np.flatnonzero(given == name), obs_names, asked.max_cells) for name in names]
    p = np.stack([annotated.p[given == name].mean(axis=0) for name in names])
    return Subjects(
        "group",
        tuple(names),
        rivals.meet(names, p, against=asked.against),
        np.concatenate(chosen),
        np.repeat(np.arange(len(names)), [len(rows) for rows in chosen]),
    )


def sample(rows: NDArray[np.intp], obs_names: pd.Index, n: int | None) -> NDArray[np.intp]:
    """Draw rows by their names: the same cells whatever their order, and whoever is there beside.

    Parameters
    ----------
    rows
        Row numbers to draw from.
    obs_names
        Names of all cells.
    n
        Most rows to draw, `None` for all.
    """
    drawn = [blake2b(str(name).encode(), digest_size=8).digest() for name in obs_names[rows]]
    return rows[sorted(range(len(rows)), key=drawn.__getitem__)[:n]]


def _labels(annotated: Annotated, asked: Question) -> NDArray[np.object_]:
    """Label to explain in each cell, `""` for none."""
    if asked.label is not None:
        readable = ~np.isin(annotated.reasons, UNREADABLE)
        return np.where(readable, asked.label, "").astype(object)
    given = annotated.cells["label"].astype(str).to_numpy(dtype=object)
    return np.where(given == UNKNOWN, "", given)


def _group_labels(
    annotated: Annotated,
    codes: NDArray[np.intp],
    p: NDArray[np.float64],
    *,
    groupby: str,
    rule: Rule,
) -> NDArray[np.object_]:
    """Label of each group, `""` for none: as it was given, or as it would have been."""
    if annotated.params.get("groupby") == groupby:
        given = annotated.cells["label"].astype(str).to_numpy(dtype=object)
        labels = np.full(len(p), UNKNOWN, dtype=object)
        labels[codes[codes >= 0]] = given[codes >= 0]
    else:
        labels = decide(p.astype(np.float32), annotated.labels, rule).labels
    return np.where(labels == UNKNOWN, "", labels)


def _standing(labels: NDArray[np.object_], rivals: Rivals, asked: Question) -> NDArray[np.intp]:
    """Return the rows with a label that something can be set against, at least one."""
    standing = rivals.stand(labels.tolist(), against=asked.against)
    found = np.flatnonzero(np.isin(labels, list(standing)))
    if not len(found):
        match asked.label, asked.against:
            case None, None:
                what = "No cell has a label with a rival"
            case None, against:
                what = f"No cell has a label other than {against!r}"
            case label, None:
                what = f"No cell can be read, or {label!r} has no rival"
            case label, against:
                what = f"No cell can be read, or {label!r} is all there is of {against!r}"
        msg = f"{what}: there is nothing to explain. Name another `label` or `against`."
        raise ValueError(msg)
    return found
