"""Which labels are set against which when an annotation is explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl.ontology._roll_up import membership

from ._decide import Level, term_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.ontology import CellOntology

    from ._labels import LabelSet

__all__ = ["Contests", "Rivals"]


class Contests(NamedTuple):
    """Labels against labels, one row a cell or group.

    Parameters
    ----------
    labels, against
        What they are called, `""` where nothing is set against anything.
    sides
        Which of the annotation's labels stand for each, `(n, 2, n_labels)`.
    """

    labels: NDArray[np.object_]
    against: NDArray[np.object_]
    sides: NDArray[np.bool_]

    @property
    def held(self) -> NDArray[np.bool_]:
        """Where two sides stand against each other, `(n,)`."""
        return self.sides.any(axis=2).all(axis=1)

    def take(self, rows: NDArray[np.intp]) -> Contests:
        """Return some rows."""
        return Contests(*(part[rows] for part in self))


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

    def meet(
        self, names: Sequence[str], p: NDArray[np.floating], *, against: str | None
    ) -> Contests:
        """Set each label against one other, by default the strongest.

        Parameters
        ----------
        names
            Label of each row, `""` for none.
        p
            Probabilities, `(n, n_labels)`.
        against
            What to set it against; a label above the first stands for the rest of what is below it.
        """
        known = {name: self.members(name) for name in sorted(set(names) - {""})}
        rival = None if against is None else self.members(against)
        n, n_labels = p.shape
        sides = np.zeros((n, 2, n_labels), dtype=bool)
        called = np.full((2, n), "", dtype=object)
        for row, name in enumerate(names):
            if not name:
                continue
            first = known[name]
            second, other = (
                (rival, against) if rival is not None else self._runner_up(first, p[row])
            )
            sides[row] = first, second & ~first
            if sides[row, 1].any():
                called[:, row] = name, other
        return Contests(called[0], called[1], sides)

    def _runner_up(
        self, first: NDArray[np.bool_], p: NDArray[np.floating]
    ) -> tuple[NDArray[np.bool_], str]:
        """Return the strongest answer beside the first, and its name."""
        if self.level.kind == "terms":
            shares = term_shares(self.labels.cl_ids, self.level.cl_ids, self.ontology).T > 0
            apart = ~(shares & first).any(axis=1)
            best = np.where(apart, shares @ p, -1.0).argmax()
            return shares[best] & apart[best], self.level.names[best]
        others = np.where(first, -1.0, p)
        best = others.argmax()
        return (np.arange(len(p)) == best) & ~first, self.labels.names[best]
