"""Which labels are set against which when an annotation is explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl.ontology._roll_up import membership
from scmmgpt_tl.tl._answers.decide import Level, term_shares

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.ontology import CellOntology
    from scmmgpt_tl.tl._labels import LabelSet

__all__ = ["Contests", "Rivals"]


class Contests(NamedTuple):
    """Labels against labels, one row a cell or group.

    Parameters
    ----------
    labels, against
        What they are called.
    sides
        Which of the annotation's labels stand for each, `(n, 2, n_labels)`.
    """

    labels: NDArray[np.object_]
    against: NDArray[np.object_]
    sides: NDArray[np.bool_]


@dataclass(frozen=True)
class Rivals:
    """Finds the labels behind a name, and the strongest others.

    Parameters
    ----------
    labels
        Labels of the annotation.
    level
        What it answered with.
    ontology
        Which label is which kind of cell.
    """

    labels: LabelSet
    level: Level
    ontology: CellOntology

    def members(self, name: str) -> NDArray[np.bool_]:
        """Return which labels a name stands for, `(n_labels,)`.

        A label stands for itself, a term of the ontology for all labels at or below it. Where the
        annotation climbed the ontology, its answers are terms.

        Parameters
        ----------
        name
            Name of a label, or name or id of a term.

        Raises
        ------
        ValueError
            It is no label, and no label is at or below a term of this name.
        """
        own = np.array([name == known for known in self.labels.names])
        if self.level.kind == "label" and own.any():
            return own
        if name in self.level.names:
            shares = term_shares(self.labels.cl_ids, self.level.cl_ids, self.ontology)
            return np.asarray(shares[:, self.level.names.index(name)] > 0)
        ids = dict(zip(self.labels.names, self.labels.cl_ids, strict=True))
        term = ids.get(name) or self.ontology.resolve(name)
        if term:
            below = membership(self.labels.cl_ids, [term], ontology=self.ontology)[:, 0] > 0
            own |= below
        if not own.any():
            names = ", ".join(map(repr, self.labels.names[:8]))
            more = ", ..." if len(self.labels) > 8 else ""
            msg = (
                f"{name!r} is no label of the annotation, and no term of the Cell Ontology with one "
                f"of them below it. Its labels are {names}{more}."
            )
            raise ValueError(msg)
        return own

    def stand(self, names: Collection[str], *, against: str | None) -> set[str]:
        """Return those names that there is something to set against.

        Parameters
        ----------
        names
            Names of labels.
        against
            As for :meth:`meet`.

        Raises
        ------
        ValueError
            A name is unknown.
        """
        rival = None if against is None else self.members(against)
        firsts = {name: self.members(name) for name in sorted(set(names) - {""})}
        return {
            name
            for name, first in firsts.items()
            if (self._others(first)[0] if rival is None else rival & ~first).any()
        }

    def meet(
        self, names: Sequence[str], p: NDArray[np.floating], *, against: str | None
    ) -> Contests:
        """Set each label against one other, by default the strongest.

        Parameters
        ----------
        names
            Label of each row, each one that can stand.
        p
            Probabilities, `(n, n_labels)`.
        against
            What to set it against; a label above the first stands for the rest of what is below it.
        """
        firsts = {name: self.members(name) for name in sorted(set(names))}
        others = {name: self._others(first) for name, first in firsts.items()}
        rival = None if against is None else self.members(against)
        sides = np.zeros((len(names), 2, p.shape[1]), dtype=bool)
        called = np.full(len(names), against, dtype=object)
        for row, name in enumerate(names):
            if rival is None:
                sets, set_names = others[name]
                best = (sets @ p[row]).argmax()
                sides[row], called[row] = (firsts[name], sets[best]), set_names[best]
            else:
                sides[row] = firsts[name], rival & ~firsts[name]
        return Contests(np.array(names, dtype=object), called, sides)

    def _others(self, first: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], list[str]]:
        """Return the answers beside the first, `(n_answers, n_labels)`, and their names."""
        if self.level.kind == "terms":
            answers = term_shares(self.labels.cl_ids, self.level.cl_ids, self.ontology).T > 0
            names = self.level.names
        else:
            answers, names = np.eye(len(self.labels), dtype=bool), self.labels.names
        apart = np.asarray(~(answers & first).any(axis=1))
        return answers[apart], [name for name, kept in zip(names, apart, strict=True) if kept]
