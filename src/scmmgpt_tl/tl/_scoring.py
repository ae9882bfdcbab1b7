"""From similarities to the probabilities of the labels that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl.ontology._share_out import compatible, share_out

from ._labels import embed_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.ontology import CellOntology

    from ._labels import LabelSet

__all__ = ["Scoring", "scoring"]


class Scoring(NamedTuple):
    """How cells are scored for a set of labels.

    Parameters
    ----------
    text
        Unit vectors that cells are compared with, `(n_vectors, width)`.
    probabilities
        From the similarities to these, `(n_cells, n_vectors)`, to the probabilities of the labels,
        `(n_cells, n_labels)`.
    """

    text: NDArray[np.float32]
    probabilities: Callable[[NDArray[np.float32]], NDArray[np.float32]]


def scoring(asked: LabelSet, model: Model, *, ontology: CellOntology) -> Scoring:
    """Choose how cells are scored.

    The model's own labels have vectors that it learned from cells. Labels of the user have texts;
    where they are terms of the ontology as well, the model first says which of its own labels a
    cell has, and the texts decide between those labels of the user that fit to it. Labels that the
    user described are scored by what the user wrote alone.

    Parameters
    ----------
    asked
        The labels.
    model
        Compares cells with texts, and knows its temperatures.
    ontology
        Which label is which kind of cell.
    """
    calibration, text = model.calibration, embed_labels(asked, model)
    if asked.rows:
        weights = asked.n_profiles or None
        return Scoring(text, lambda cosine: calibration.probabilities(cosine, weights))
    if any(asked.descriptions) or not any(asked.cl_ids):
        return Scoring(text, calibration.text_probabilities)
    fits = compatible(model.labels.cl_ids, asked.cl_ids, ontology=ontology)

    def probabilities(cosine: NDArray[np.float32]) -> NDArray[np.float32]:
        own = calibration.probabilities(cosine[:, len(asked) :])
        by_text = calibration.text_probabilities(cosine[:, : len(asked)])
        return share_out(own, fits, by_text).astype(np.float32)

    return Scoring(np.concatenate([text, model.label_embeddings]), probabilities)
