"""From labelled cells to the chances of their labels in other cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from scmmgpt_tl.ontology._roll_up import on_one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.ontology import CellOntology

__all__ = ["even_out", "held_kinds", "learn_shares", "weigh"]

PENALTY, TOLERANCE = 3.0, 1e-6
SMALLEST = 1e-3
# Most that a name's share is raised or lowered by, as a logarithm, how often it is corrected, and
# what correction is none.
LARGEST_OFFSET, ROUNDS, NONE = 3.0, 50, 1e-4
# A kind that the model sees in a label's own cells on average at this much belongs to the label.
HELD = 0.1


def learn_shares(
    reference: NDArray[np.floating], code: NDArray[np.intp]
) -> Callable[[NDArray[np.floating]], NDArray[np.float64]]:
    """Learn labels by logistic regression on places in the shared space.

    Parameters
    ----------
    reference
        Unit vectors of the labelled cells, `(n_labelled, width)`.
    code
        Their labels, each from 0 up occurring, `(n_labelled,)`.

    Returns
    -------
    From unit vectors of other cells, `(n_cells, width)`, to the share of each label in them,
    `(n_cells, n_labels)`, each row summing to 1.
    """
    from sklearn.linear_model import LogisticRegression

    # A rare label counts as much as a common one: the query may have others of them.
    classifier = LogisticRegression(
        C=PENALTY, max_iter=1000, tol=TOLERANCE, class_weight="balanced"
    )
    classifier.fit(reference.astype(np.float64), code)

    def shares(query: NDArray[np.floating]) -> NDArray[np.float64]:
        if not len(query):
            return np.zeros((0, int(code.max()) + 1))
        found: NDArray[np.float64] = classifier.predict_proba(query.astype(np.float64))
        return found

    return shares


def even_out(
    told: NDArray[np.floating], code: NDArray[np.intp], *, named: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Find what makes the labels' names fair to each other, by cells whose labels are known.

    Where a reference has both a type and a kind of it, the text of the one fits the cells of the
    other, too, and one of them gets all. Each label counting the same, each gets the same share of
    the reference afterwards.

    Parameters
    ----------
    told
        Shares of the labels by their names, `(n_labelled, n_labels)`.
    code
        Labels of these cells, each from 0 up occurring, `(n_labelled,)`.
    named
        Which names tell what the label is, `(n_labels,)`.

    Returns
    -------
    What to add to the logarithm of each label's share, `(n_labels,)`; 0 for names that tell nothing.
    """
    offsets = np.zeros(len(named))
    rows = named[code]
    if named.sum() < 2:
        return offsets
    weights = 1 / np.bincount(code)[code[rows]]
    logs = np.log(told[rows][:, named].astype(np.float64) + np.finfo(np.float32).tiny)
    own = np.zeros(int(named.sum()))
    for _ in range(ROUNDS):
        shares = softmax(logs + own, axis=1)
        new = own - np.log(weights @ shares)
        new = np.clip(new - new.mean(), -LARGEST_OFFSET, LARGEST_OFFSET)
        own, before = new, own
        if np.abs(own - before).max() < NONE:
            break
    offsets[named] = own
    return offsets


def weigh(
    learned: NDArray[np.floating],
    told: NDArray[np.floating],
    *,
    named: NDArray[np.bool_],
    offsets: NDArray[np.float64],
    text_weight: float,
) -> NDArray[np.float64]:
    r"""Weigh what labelled cells say against what the labels' names say.

    With shares :math:`l` by cells and :math:`t` by text, and offsets :math:`b`,

    .. math:: q_j \propto l_j^{1 - w} \, (t_j e^{b_j})^{w} .

    A name that tells nothing has no text to be judged by: the texts share out among the other
    labels no more than the cells leave these.

    Parameters
    ----------
    learned, told
        Shares of the labels, `(n_cells, n_labels)`.
    named
        Which names tell what the label is, `(n_labels,)`.
    offsets
        What :func:`even_out` found, `(n_labels,)`.
    text_weight
        How much the texts count, :math:`w`.
    """
    by_text = learned.astype(np.float64)
    if named.any():
        left = learned[:, named].sum(axis=1, keepdims=True)
        texts = (told[:, named] + np.finfo(np.float32).tiny) * np.exp(offsets[named])
        by_text[:, named] = left * texts / texts.sum(axis=1, keepdims=True)
    logs = (1 - text_weight) * np.log(learned + SMALLEST) + text_weight * np.log(by_text + SMALLEST)
    q = np.exp(logs - logs.max(axis=1, keepdims=True))
    weighed: NDArray[np.float64] = q / q.sum(axis=1, keepdims=True)
    return weighed


def held_kinds(
    kinds: Sequence[Sequence[str]],
    own_ids: Sequence[str],
    *,
    seen: NDArray[np.floating],
    code: NDArray[np.intp],
    ontology: CellOntology,
) -> NDArray[np.float64]:
    """Tell which of the model's own labels a reference holds, 0 to 1.

    It holds what is one of its labels, or above or below one; for labels whose names tell nothing,
    what the model sees in their cells.

    Parameters
    ----------
    kinds
        Ids of the kinds of cell that each label of the reference speaks of.
    own_ids
        Ids of the model's own labels.
    seen
        Probabilities of these in the labelled cells, `(n_labelled, n_own)`.
    code
        Labels of these cells, `(n_labelled,)`.
    ontology
        Which label is which kind of cell.

    Returns
    -------
    `(n_own,)`.
    """
    ids = sorted({ontology.current(key) for some in kinds for key in some})
    own = [ontology.current(key) if key else "" for key in own_ids]
    lines = on_one_line(own, ids, ontology=ontology).reshape(len(own), len(ids))
    held = np.array([float(any(line)) for line in lines])
    for label in (i for i, some in enumerate(kinds) if not some):
        in_cells = np.asarray(seen[code == label].mean(axis=0), np.float64)
        held = np.maximum(held, np.minimum(in_cells / HELD, 1))
    return held
