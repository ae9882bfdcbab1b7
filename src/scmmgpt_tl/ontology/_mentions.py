"""Finding the cell types that a text names."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ._names import normalise

if TYPE_CHECKING:
    from ._cell_ontology import CellOntology

__all__ = ["Mention", "find_mentions"]

# Acronyms such as "arc" or "vip" are words, or genes, once their capitals are gone.
_SHORTEST_WORD = 5
_CELL = "cell"


class Mention(NamedTuple):
    """One cell type named in a text.

    Parameters
    ----------
    phrase
        Its name, normalised.
    ids
        Terms that the name may mean.
    """

    phrase: str
    ids: frozenset[str]


def find_mentions(text: str, ontology: CellOntology) -> tuple[Mention, ...]:
    """Find the names of cell types in a text, each as long as can be.

    Parameters
    ----------
    text
        A sentence.
    ontology
        Knows names and synonyms.

    Returns
    -------
    The names in the order of the text.

    Examples
    --------
    >>> from scmmgpt_tl import ontology
    >>> [found.phrase for found in find_mentions("Naive T cells help B-cells.", ontology.load())]
    ['naive t cell', 'b cell']
    """
    phrases, longest = _phrases(ontology)
    words = normalise(text).split()
    found, place = [], 0
    while place < len(words):
        for size in range(min(longest, len(words) - place), 0, -1):
            phrase = " ".join(words[place : place + size])
            if phrase in phrases:
                found.append(Mention(phrase, phrases[phrase]))
                place += size
                break
        else:
            place += 1
    return tuple(found)


@lru_cache(maxsize=4)
def _phrases(ontology: CellOntology) -> tuple[dict[str, frozenset[str]], int]:
    phrases: dict[str, frozenset[str]] = {}
    for term in ontology.ids:
        for name in (ontology.name(term), *ontology.synonyms(term)):
            phrase = normalise(name)
            if _is_readable(phrase):
                phrases[phrase] = phrases.get(phrase, frozenset()) | {term}
    return phrases, max(map(len, map(str.split, phrases)), default=0)


def _is_readable(phrase: str) -> bool:
    # "retinal ganglion cell A" would be found in "a retinal ganglion cell, a kind of neuron".
    if phrase.endswith(" a"):
        return False
    return " " in phrase or len(phrase) >= _SHORTEST_WORD or phrase == _CELL
