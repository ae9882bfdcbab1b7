"""What a description says of its cells, held against the ontology."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology._mentions import find_mentions

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = "CL:0000000"
# True of almost every cell, so that naming them says nothing.
TRIVIAL = frozenset({ROOT, "CL:0000003", "CL:0000255", "CL:0000548"})


class Statements(NamedTuple):
    """What a text says of cells whose type is known.

    Parameters
    ----------
    n_named
        Cell types that it names, trivial ones left out.
    names_type
        Whether the true type is among them.
    names_true
        Whether the true type or one above it is among them.
    false
        Names in the text that mean no type that is true of the cells, and that no definition of a
        true type uses.
    contradicting
        Those of them that are not finer than the truth either: "CD8 T cell" goes beyond "T cell",
        but may be true.
    """

    n_named: int
    names_type: bool
    names_true: bool
    false: tuple[str, ...]
    contradicting: tuple[str, ...]


def read_statements(text: str, term: str) -> Statements:
    """Find the cell types that a text names, and tell the true from the false.

    Negation is not understood: what cells are said not to be counts as named.

    Parameters
    ----------
    text
        A description.
    term
        Cell Ontology id of the cells.

    Examples
    --------
    >>> read_statements("These lymphocytes look like B cells.", "CL:0000084").false
    ('b cell',)
    """
    cl = ontology.load()
    term = cl.current(term)
    true = {term} | cl.ancestors(term)
    mentions = [found for found in find_mentions(text, cl) if not found.ids <= TRIVIAL]
    told = _told_by_definitions(true)
    wrong = [found for found in mentions if not found.ids & true and found.phrase not in told]
    finer = cl.descendants(term)
    return Statements(
        n_named=len(mentions),
        names_type=any(term in found.ids for found in mentions),
        names_true=any(found.ids & (true - TRIVIAL) for found in mentions),
        false=tuple(dict.fromkeys(found.phrase for found in wrong)),
        contradicting=tuple(
            dict.fromkeys(found.phrase for found in wrong if not found.ids & finer)
        ),
    )


def _told_by_definitions(terms: Iterable[str]) -> frozenset[str]:
    """Names that the definitions of terms use: to say what a type descends from is no mistake."""
    cl = ontology.load()
    return frozenset(
        found.phrase for term in terms for found in find_mentions(cl.definition(term), cl)
    )
