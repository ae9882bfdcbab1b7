"""Handing probabilities of one set of labels over to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from ._cell_ontology import CellOntology

__all__ = ["Sharing", "most_specific"]

# How much a label that is related to some source says for one that no source is related to,
# against what it says for the others.
ELSEWHERE = 0.1
# How probable it is from the start that a cell has one of the labels that no source teaches, at most.
UNTAUGHT = 0.35


class Sharing(NamedTuple):
    """How the probabilities of one set of labels, the sources, are handed over to another.

    Parameters
    ----------
    weights
        Which labels a cell of each source may have, from 0 (cannot be) to 1,
        `(n_sources, n_labels)`.
    untaught
        Which labels no source is an example of, `(n_labels,)`.
    """

    weights: NDArray[np.float64]
    untaught: NDArray[np.bool_]

    @classmethod
    def between(
        cls,
        sources: Sequence[str],
        labels: Sequence[str],
        *,
        ontology: CellOntology,
        kinds: Sequence[Collection[str]] | None = None,
    ) -> Sharing:
        """Ask the ontology which labels a cell of each source may have.

        A source that is one of the labels, or below some, is one of the most specific of these. A
        source above some labels may be any of them. Any other may be everything, first of all a
        label that no source is related to: if it is none of the labels that sources know, it is
        likely to be one that they don't. A label outside the ontology that speaks of some kinds of
        cell ("activated B cell, EBV") may be whatever is one of these, above or below it.

        Sources above a label are no examples of it: a cell that is known as a lymphocyte teaches
        nobody what a B cell is. For labels outside the ontology they count.

        Parameters
        ----------
        sources
            Cell Ontology ids of the labels whose probabilities are known.
        labels
            Ids of the labels to hand them over to, `""` for labels outside the ontology.
        ontology
            The ontology that holds them.
        kinds
            For each label the ids that it speaks of; only those of labels outside the ontology
            count.
        """
        vague = [frozenset(kind) for kind in kinds] if kinds else [frozenset[str]()] * len(labels)
        spoken = [
            frozenset({ontology.current(key)}) if key else kind
            for key, kind in zip(labels, vague, strict=True)
        ]
        every = frozenset().union(*spoken)
        related = np.zeros((len(sources), len(labels)))
        taught = np.zeros(len(labels), dtype=bool)
        for i, source in enumerate(sources):
            finest = _labels_of(source, every, ontology)
            line = ontology.line(source)
            upwards = line - ontology.descendants(source)
            for j, (key, terms) in enumerate(zip(labels, spoken, strict=True)):
                related[i, j] = bool(terms & (finest if key else line))
                taught[j] |= bool(terms & (upwards if key else line))
        elsewhere = np.where(related.any(axis=0), ELSEWHERE, 1.0)
        weights = np.where(related.any(axis=1, keepdims=True), related, elsewhere)
        return cls(weights, ~taught)

    def share_out(
        self, probabilities: NDArray[np.floating], prior: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        r"""Hand the probabilities of sources over to labels.

        With probabilities :math:`p_s` of the sources, weights :math:`w_{sj}` and what is known of
        the labels otherwise, :math:`t_j`,

        .. math:: q_j = \sum_s p_s \frac{w_{sj} t_j}{\sum_k w_{sk} t_k}

        Sources claim every cell, also one that is none of them, and may leave nothing for labels
        that none of them teaches. Where there are such labels, :math:`N`, they have a share from
        the start, in which texts that no cell was ever seen for are believed half as much:

        .. math::
            q_j \leftarrow (1 - u) q_j
            + u \frac{\sqrt{t_j} [j \in N]}{\sum_{k \in N} \sqrt{t_k}}, \qquad
            u = 0.35 \min\left(1, \frac{\overline{\sqrt{t_N}}}{\overline{\sqrt{t}}}\right)

        with the means over these and over all labels: less where their texts fit worse than others
        do. Where no label is taught, :math:`u = 1`.

        Parameters
        ----------
        probabilities
            Of the sources in each cell, `(n_cells, n_sources)`.
        prior
            Probability of each label in each cell from elsewhere, `(n_cells, n_labels)`, positive.

        Returns
        -------
        Probability of each label, `(n_cells, n_labels)`; rows sum to what those of `probabilities`
        do.
        """
        known = np.maximum(prior, np.finfo(np.float32).tiny).astype(np.float64)
        each = probabilities / (known @ self.weights.T)
        shared: NDArray[np.float64] = known * (each @ self.weights)
        if not self.untaught.any():
            return shared
        half = np.sqrt(known)
        new = half * self.untaught
        total = new.sum(1, keepdims=True)
        fit = total / self.untaught.sum() / half.mean(1, keepdims=True)
        u = np.where(self.untaught.all(), 1.0, UNTAUGHT * np.minimum(fit, 1))
        return (1 - u) * shared + u * new / total * probabilities.sum(1, keepdims=True)


def _labels_of(source: str, labels: frozenset[str], ontology: CellOntology) -> frozenset[str]:
    """Return the most specific labels at or above a source, else all labels below it."""
    finest = most_specific(source, labels, ontology=ontology)
    return finest or ontology.descendants(source) & labels


def most_specific(
    source: str, labels: Collection[str], *, ontology: CellOntology
) -> frozenset[str]:
    """Return those of the labels at or above a source that have no other such label below them."""
    source = ontology.current(source)
    above = (frozenset({source}) | ontology.ancestors(source)) & frozenset(labels)
    return above - frozenset().union(*map(ontology.ancestors, above))
