"""From similarities to the probabilities of the labels that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl._expression import log_expression
from scmmgpt_tl.model.markers import evidence
from scmmgpt_tl.ontology._share_out import Sharing
from scmmgpt_tl.tl._labels import embed_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csc_matrix, csr_matrix

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.calibration import Calibration
    from scmmgpt_tl.ontology import CellOntology
    from scmmgpt_tl.tl._labels import LabelSet

__all__ = ["ByOwnLabels", "ByTexts", "Scoring", "Shared", "Witness", "scoring"]


class ByOwnLabels(NamedTuple):
    """Probabilities of the model's own labels, from the similarities to their vectors.

    Parameters
    ----------
    calibration
        Holds the temperature.
    n_profiles
        Profiles that each label was learned from, `None` where all are believed alike.
    """

    calibration: Calibration
    n_profiles: tuple[int, ...] | None = None

    def __call__(self, cosine: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities, `(n_cells, n_labels)`."""
        return self.calibration.probabilities(cosine, self.n_profiles)


class ByTexts(NamedTuple):
    """Probabilities of labels of the user, from the similarities to their texts.

    Parameters
    ----------
    calibration
        Holds the temperature.
    """

    calibration: Calibration

    def __call__(self, cosine: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities, `(n_cells, n_labels)`."""
        return self.calibration.text_probabilities(cosine)


class Shared(NamedTuple):
    """Probabilities of labels of the user, handed over from the model's own labels.

    Parameters
    ----------
    texts
        What texts say of the labels of the user; their vectors come first.
    own
        What the model says of its own labels, whose vectors follow.
    sharing
        How their probabilities are handed over.
    """

    texts: ByTexts
    own: ByOwnLabels
    sharing: Sharing

    def __call__(self, cosine: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities, `(n_cells, n_labels)`."""
        n_labels = self.sharing.weights.shape[1]
        by_text, of_own = self.texts(cosine[:, :n_labels]), self.own(cosine[:, n_labels:])
        return self.sharing.share_out(of_own, by_text).astype(np.float32)


class Witness(NamedTuple):
    """What marker genes have to say about labels.

    Parameters
    ----------
    weights
        How much each gene says for each label, `(n_genes, n_labels)`.
    measured
        Which genes the data set measured, `(n_genes,)`.
    calibration
        How much marker genes are believed.
    """

    weights: csc_matrix
    measured: NDArray[np.bool_]
    calibration: Calibration

    def revise(self, p: NDArray[np.float32], rows: csr_matrix) -> NDArray[np.float32]:
        """Return the probabilities of cells, `(n_cells, n_labels)`, in the light of their counts."""
        said = evidence(log_expression(rows), self.weights, self.measured)
        return self.calibration.with_markers(p, said)


class Scoring(NamedTuple):
    """How cells are scored for a set of labels.

    Parameters
    ----------
    text
        Unit vectors that cells are compared with, `(n_vectors, width)`.
    by_similarity
        From the similarities to these, `(n_cells, n_vectors)`, to the probabilities of the labels,
        `(n_cells, n_labels)`.
    witness
        Marker genes, where any are known and believed.
    """

    text: NDArray[np.float32]
    by_similarity: ByOwnLabels | ByTexts | Shared
    witness: Witness | None = None

    def probabilities(self, cosine: NDArray[np.float32], rows: csr_matrix) -> NDArray[np.float32]:
        """Return the probabilities of the labels, `(n_cells, n_labels)`.

        Parameters
        ----------
        cosine
            Similarities to the vectors, `(n_cells, n_vectors)`.
        rows
            Counts, `(n_cells, n_genes)`.
        """
        p = self.by_similarity(cosine)
        return p if self.witness is None else self.witness.revise(p, rows)


def scoring(
    asked: LabelSet, model: Model, *, ontology: CellOntology, measured: NDArray[np.bool_]
) -> Scoring:
    """Choose how cells are scored.

    The model's own labels have vectors that it learned from cells. Labels of the user have texts;
    where they are terms of the ontology as well, or at least name a kind of cell, the model first
    says which of its own labels a cell has, and the texts decide between those labels of the user
    that fit to it. Marker genes are heard in both cases. Labels that the user described are scored
    by what the user wrote alone.

    Parameters
    ----------
    asked
        The labels.
    model
        Compares cells with texts, and knows its temperatures and marker genes.
    ontology
        Which label is which kind of cell.
    measured
        Which of the model's genes the data set measured, `(n_genes,)`.
    """
    calibration, text = model.calibration, embed_labels(asked, model)
    own = bool(asked.rows)
    if not own and (any(asked.descriptions) or not any(asked.kinds)):
        return Scoring(text, ByTexts(calibration))
    witness = None
    if calibration.marker_weight and model.markers.terms:
        # Profiles have taught the network its own labels; only curated lists are news to it there.
        weights = model.markers.weights(
            asked.cl_ids, measured, ontology=ontology, by_contrast=not own
        )
        witness = Witness(weights, measured, calibration)
    if own:
        return Scoring(text, ByOwnLabels(calibration, asked.n_profiles or None), witness)
    sources = model.labels.cl_ids
    sharing = Sharing.between(sources, asked.cl_ids, ontology=ontology, kinds=asked.kinds)
    shared = Shared(ByTexts(calibration), ByOwnLabels(calibration), sharing)
    return Scoring(np.concatenate([text, model.label_embeddings]), shared, witness)
