"""The Cell Ontology as a graph that answers questions about its terms."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

from ._lineage import PROPERTY_TERMS, choose_parent
from ._names import NameIndex

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CellOntology", "Term", "load"]

ROOT = "CL:0000000"


@dataclass(frozen=True)
class Term:
    """One class of cells.

    Parameters
    ----------
    name
        The ontology's label, for example `"T cell"`.
    definition
        Its definition in words, `""` where the ontology has none.
    synonyms
        Other names the ontology lists.
    parents
        Ids of the terms directly above.
    """

    name: str
    definition: str
    synonyms: tuple[str, ...]
    parents: tuple[str, ...]


class CellOntology:
    """Cell types, what they are called and how they descend from one another.

    Deprecated ids are understood everywhere and mean the term that replaced them.

    Parameters
    ----------
    release
        Release of the Cell Ontology.
    terms
        Terms by id; their parents are among them.
    replaced_by
        Deprecated ids and what to use instead.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> cl = scmm.ontology.load()
    >>> cl.resolve("T cells")
    'CL:0000084'
    >>> [cl.name(term) for term in cl.lineage("CL:0000084")]
    ['cell', 'hematopoietic cell', 'leukocyte', 'mononuclear leukocyte', 'lymphocyte', 'T cell']
    """

    def __init__(
        self,
        *,
        release: str,
        terms: Mapping[str, Term],
        replaced_by: Mapping[str, str] | None = None,
    ) -> None:
        self.release = release
        self._terms = dict(terms)
        self._replaced_by = dict(replaced_by or {})
        self._ancestors: dict[str, frozenset[str]] = {}
        self._depths: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"CellOntology(release={self.release!r}, {len(self)} terms)"

    def __len__(self) -> int:
        return len(self._terms)

    def __contains__(self, term: object) -> bool:
        return isinstance(term, str) and (term in self._terms or term in self._replaced_by)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every current term's id, sorted."""
        return tuple(sorted(self._terms))

    def current(self, term: str) -> str:
        """Id in use today for a current or deprecated id.

        Raises
        ------
        KeyError
            The release has no such term.
        """
        if term in self._terms:
            return term
        if term in self._replaced_by:
            return self._replaced_by[term]
        msg = f"{term!r} is not a term of Cell Ontology {self.release}."
        raise KeyError(msg)

    def name(self, term: str) -> str:
        """Name of a term."""
        return self._term(term).name

    def definition(self, term: str) -> str:
        """Definition of a term in words, `""` where there is none."""
        return self._term(term).definition

    def synonyms(self, term: str) -> tuple[str, ...]:
        """Other names of a term."""
        return self._term(term).synonyms

    def parents(self, term: str) -> tuple[str, ...]:
        """Ids of the terms directly above."""
        return self._term(term).parents

    def ancestors(self, term: str) -> frozenset[str]:
        """Ids of all terms above, the term itself left out."""
        term = self.current(term)
        if term not in self._ancestors:
            above = self._terms[term].parents
            self._ancestors[term] = frozenset(above).union(*map(self.ancestors, above))
        return self._ancestors[term]

    def descendants(self, term: str) -> frozenset[str]:
        """Ids of all terms below, the term itself left out."""
        return self._descendants.get(self.current(term), frozenset())

    def line(self, term: str) -> frozenset[str]:
        """Ids of the term, all above and all below: answers that do not contradict it."""
        return frozenset({self.current(term)}) | self.ancestors(term) | self.descendants(term)

    def depth(self, term: str) -> int:
        """Steps on the longest way to the root, so that a child is always deeper."""
        term = self.current(term)
        if term not in self._depths:
            above = self._terms[term].parents
            self._depths[term] = 1 + max(map(self.depth, above), default=-1)
        return self._depths[term]

    def lineage(self, term: str) -> tuple[str, ...]:
        """Return one path of ids from the root down to the term.

        Where a term has several parents, the path follows descent (leukocyte) rather than a
        property (motile cell), and the deepest such parent; properties are left out.
        """
        path = [self.current(term)]
        while self.parents(path[-1]):
            path.append(choose_parent(self.parents(path[-1]), depth=self.depth))
        return tuple(key for key in reversed(path) if key not in PROPERTY_TERMS or key == path[0])

    def resolve(self, text: str) -> str | None:
        """Find the term that an id or a name means.

        Understands `CL:0000084` and `CL_0000084`, names, the names single-cell data uses
        ("CD14+ Mono", "NK", "pDC"), synonyms, and all of them in the plural or with other
        capitals, hyphens and plus signs.

        Parameters
        ----------
        text
            An id or a name.

        Returns
        -------
        The id, or `None` where nothing or more than one thing fits.
        """
        candidate = text.strip().upper().replace("CL_", "CL:", 1)
        if candidate in self:
            return self.current(candidate)
        return self._index.find(text)

    def suggest(self, text: str, n: int = 3) -> tuple[str, ...]:
        """Ids of up to `n` terms whose names look like `text`, the likeliest first."""
        return self._index.similar(text, n=n)

    def _term(self, term: str) -> Term:
        return self._terms[self.current(term)]

    @cached_property
    def _descendants(self) -> dict[str, frozenset[str]]:
        below: dict[str, set[str]] = {}
        for term in self._terms:
            for ancestor in self.ancestors(term):
                below.setdefault(ancestor, set()).add(term)
        return {term: frozenset(found) for term, found in below.items()}

    @cached_property
    def _index(self) -> NameIndex:
        return NameIndex({key: (term.name, *term.synonyms) for key, term in self._terms.items()})


@cache
def load() -> CellOntology:
    """Load the Cell Ontology that ships with the package.

    Returns
    -------
    The ontology, read once per session.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> scmm.ontology.load().name("CL:0000236")
    'B cell'
    """
    packed = files(__package__).joinpath("cell_ontology.json.gz").read_bytes()
    table = json.loads(gzip.decompress(packed))
    terms = {
        key: Term(name, definition, tuple(synonyms), tuple(parents))
        for key, (name, definition, synonyms, parents) in table["terms"].items()
    }
    return CellOntology(release=table["release"], terms=terms, replaced_by=table["replaced_by"])
