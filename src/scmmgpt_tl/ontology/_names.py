"""Finding a term by the name people write."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher, get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING

from ._everyday_names import EVERYDAY_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["NameIndex", "normalise"]

_GREEK = str.maketrans({"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon"})
_POSITIVE = re.compile(r"(?<=[a-z0-9])\+")
_NEGATIVE = re.compile(r"\b(cd\d+[a-z]*)-(?=$|[\s,])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_ACRONYMS = re.compile(r"(?<=[A-Z]{2})s\b")
_PARENTHESES = re.compile(r"\([^()]*\)")
_PLURAL = re.compile(r"(?<=[a-z]{2}[^siu\d])s$")


def normalise(text: str) -> str:
    """Bring spellings of one name together: case, hyphens, plus signs, plurals, Greek letters.

    Parameters
    ----------
    text
        A name.

    Returns
    -------
    Lower-case words separated by single spaces.

    Examples
    --------
    >>> from scmmgpt_tl.ontology._names import normalise
    >>> normalise("CD4+ T-Cells"), normalise("CD4-positive T cell")
    ('cd4 positive t cell', 'cd4 positive t cell')
    """
    text = unicodedata.normalize("NFKD", _ACRONYMS.sub("", text))
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = text.strip().lower().translate(_GREEK)
    text = _NEGATIVE.sub(r"\1 negative ", _POSITIVE.sub(" positive ", text))
    return " ".join(_PLURAL.sub("", word) for word in _SEPARATORS.split(text) if word)


class NameIndex:
    """Names to ids, strictest reading first.

    Parameters
    ----------
    names
        For each id its name, then its synonyms.
    """

    def __init__(self, names: Mapping[str, tuple[str, ...]]) -> None:
        everyday = [(key, name) for name, key in EVERYDAY_NAMES.items() if key in names]
        labels = [(key, name) for key, (name, *_) in names.items()]
        synonyms = [(key, name) for key, (_, *more) in names.items() for name in more]
        # A name beats an everyday name beats a synonym: synonyms mislead ("DC2", "alpha cell").
        readings = (labels, everyday, synonyms)
        self._exact = tuple(_unambiguous(pairs, key=str.lower) for pairs in readings)
        self._loose = tuple(_unambiguous(pairs, key=normalise) for pairs in readings)

    def find(self, text: str) -> str | None:
        """Id that a name means, or `None`."""
        loose = normalise(text)
        attempts = (
            (self._exact, text.strip().lower()),
            (self._loose, loose),
            (self._loose, f"{loose} cell"),
            (self._loose, loose.removesuffix(" cell")),
            (self._loose, normalise(_PARENTHESES.sub(" ", text))),
        )
        for tables, key in attempts:
            for table in tables:
                if key in table:
                    return table[key]
        return None

    def similar(self, text: str, *, n: int) -> tuple[str, ...]:
        """Ids of the `n` names most like `text`."""
        query = normalise(text)
        close = get_close_matches(query, self._spellings, n=max(4 * n, 20), cutoff=0.5)
        close.sort(key=lambda name: -_likeness(query, name))
        found = dict.fromkeys(key for name in close if (key := self._spellings[name]))
        return tuple(found)[:n]

    @cached_property
    def _spellings(self) -> dict[str, str | None]:
        labels, everyday, synonyms = self._loose
        return {**synonyms, **everyday, **labels}


def _likeness(left: str, right: str) -> float:
    shared = len(set(left.split()) & set(right.split()))
    return shared + SequenceMatcher(None, left, right).ratio()


def _unambiguous(
    pairs: Iterable[tuple[str, str]], *, key: Callable[[str], str]
) -> dict[str, str | None]:
    table: dict[str, str | None] = {}
    for term, name in pairs:
        spelling = key(name)
        table[spelling] = term if table.get(spelling, term) == term else None
    return table
