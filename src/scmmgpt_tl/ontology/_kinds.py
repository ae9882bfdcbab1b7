"""What kinds of cell a label speaks of that is no name of a term: "microglia/macrophage"."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ._everyday_names import EVERYDAY_NAMES
from ._names import normalise

if TYPE_CHECKING:
    from ._cell_ontology import CellOntology

__all__ = ["kinds_in"]

_MALIGNANT = "CL:0001064"
# What a tumour is made of, by the words that name it.
_TUMOURS = {
    "leukemia": "CL:0000738",  # leukocyte
    "erythroleukemia": "CL:0000764",  # erythroid lineage cell
    "promyelocytic": "CL:0000836",  # promyelocyte
    "lymphoma": "CL:0000542",  # lymphocyte
    "myeloma": "CL:0000786",  # plasma cell
    "carcinoma": "CL:0000066",  # epithelial cell
    "adenocarcinoma": "CL:0000066",  # epithelial cell
    "hepatoma": "CL:0000182",  # hepatocyte
    "melanoma": "CL:0000148",  # melanocyte
    "glioma": "CL:0000125",  # glial cell
    "glioblastoma": "CL:0000125",  # glial cell
    "astrocytoma": "CL:0000127",  # astrocyte
    "oligodendroglioma": "CL:0000128",  # oligodendrocyte
    "neuroblastoma": "CL:0000031",  # neuroblast
    "mesothelioma": "CL:0000077",  # mesothelial cell
    "sarcoma": "CL:0002320",  # connective tissue cell
    "cancer": _MALIGNANT,
    "tumor": _MALIGNANT,
    "malignant": _MALIGNANT,
    "neoplastic": _MALIGNANT,
}
# Lymphoblastoid lines are B cells made immortal.
_OTHER_WORDS = {"lymphoblastoid": "CL:0000236", "neuronal": "CL:0000540"}
_BRITISH = {"leukaemia": "leukemia", "tumour": "tumor", "erythroleukaemia": "erythroleukemia"}
# "tumor-infiltrating T cell", "non-malignant cell"
_NEAR = [["infiltrating"], ["associated"], ["adjacent"], ["educated"], ["draining"], ["free"]]
_NEGATIONS = frozenset({"non", "not", "no", "without"})
# "epithelial", "myeloid", "stromal"
_ADJECTIVES = ("ial", "oid", "omal", "ymal")
# Acronyms such as "arc" are words once their capitals are gone; those of everyday names are not.
_SHORTEST_WORD = 4
_TOO_GENERAL = 2


def kinds_in(label: str, ontology: CellOntology) -> tuple[str, ...]:
    """Find the kinds of cell that a label speaks of.

    A name of a term means that term. In any other label each part that is such a name counts, the
    longest first, and words for tumours mean what these are made of.

    Parameters
    ----------
    label
        What a user calls some cells.
    ontology
        Knows names and synonyms.

    Returns
    -------
    Cell Ontology ids; empty where nothing is recognised.

    Examples
    --------
    >>> from scmmgpt_tl import ontology
    >>> from scmmgpt_tl.ontology._kinds import kinds_in
    >>> cl = ontology.load()
    >>> [cl.name(kind) for kind in kinds_in("microglia/macrophage", cl)]
    ['microglial cell', 'macrophage']
    """
    whole = ontology.resolve(label)
    if whole:
        return (whole,)
    words = [_BRITISH.get(word, word) for word in normalise(label).split()]
    named = _named(words, ontology)
    known = frozenset().union(*map(ontology.ancestors, named.values()))
    # "hepatocellular carcinoma of hepatocytes" is of epithelial cells, but that says less.
    told = {place: kind for place, kind in _told_by_word(words).items() if kind not in known}
    found = named | told
    return tuple(dict.fromkeys(found[place] for place in sorted(found)))


def _named(words: list[str], ontology: CellOntology) -> dict[int, str]:
    """Terms named by parts of a label, by the place of their first words."""
    found: dict[int, str] = {}
    free = [True] * len(words)
    for size in range(len(words), 0, -1):
        for start in range(len(words) - size + 1):
            span = range(start, start + size)
            if not all(free[i] for i in span) or _is_about_another(words, start, start + size):
                continue
            term = _term_of([words[i] for i in span], ontology)
            if term is not None:
                found[start] = term
                for i in span:
                    free[i] = False
    return found


def _term_of(words: list[str], ontology: CellOntology) -> str | None:
    name = " ".join(words)
    term = ontology.resolve(name)
    if term is None or ontology.depth(term) < _TOO_GENERAL:
        return None
    # A single word must say so by itself: "bone" is no bone cell in "bone marrow".
    if len(words) > 1 or name in _everyday() or name.endswith(_ADJECTIVES):
        return term
    names = map(normalise, (ontology.name(term), *ontology.synonyms(term)))
    return term if len(name) >= _SHORTEST_WORD and name in names else None


def _told_by_word(words: list[str]) -> dict[int, str]:
    found = {}
    for place, word in enumerate(words):
        known = _TUMOURS.get(word) or _OTHER_WORDS.get(word)
        if known and not _is_about_another(words, place, place + 1):
            found[place] = known
    return found


def _is_about_another(words: list[str], start: int, end: int) -> bool:
    negated = start > 0 and words[start - 1] in _NEGATIONS
    return negated or words[end : end + 1] in _NEAR


@cache
def _everyday() -> frozenset[str]:
    return frozenset(map(normalise, EVERYDAY_NAMES))
