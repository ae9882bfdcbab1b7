"""Holding what the text decoder wrote against the evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from scmmgpt_tl.ontology._mentions import find_mentions
from scmmgpt_tl.ontology._names import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scmmgpt_tl.ontology import CellOntology

__all__ = ["Evidence", "choose_text", "evidence_text", "sentences"]

ROOT = "CL:0000000"
_BREAK = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")
_WORD = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_NAMES_CELLS = re.compile(
    r"\b(these|this|they|it)\b.*\b(are|is|be|looks? like|represents?|includes?)\b", re.I
)
_EXPRESSION = re.compile(
    r"\b(express|marke|genes?\b|positive for|transcript|upregulat|high in)", re.I
)
#: Words that say nothing of their own; all others need a source in the evidence.
_FREE = frozenset(
    normalise(
        "a all an and are as at be best by called can cell come described express expresses "
        "expressed expression for found from gene group has have high highly in into is it its "
        "kind known like likely look marked marker most of on one or out population positive "
        "represent resemble seem similar stand strongly than that the their these they this those "
        "to type which with"
    ).split()
)
_NEGATION = re.compile(
    r"\b(not|no|never|without|lacks?|lacking|absent|unlike|neither|nor|cannot|than|except|negative)\b",
    re.I,
)


@dataclass(frozen=True)
class Evidence:
    """What is known of a group of cells, and what may therefore be said.

    Parameters
    ----------
    label
        Name of its cell type in the words of the prompt.
    cl_id
        Cell Ontology id, `""` where there is none.
    genes
        Genes that stand out, the strongest first.
    tissue
        Where the cells are from, `""` where nobody said.
    description
        What the user wrote of this label, `""` elsewhere.
    ontology
        What the label descends from.
    tissues
        Tissues that a text may not invent.
    """

    label: str
    cl_id: str
    genes: tuple[str, ...]
    tissue: str
    description: str
    ontology: CellOntology
    tissues: tuple[str, ...] = ()

    @cached_property
    def lineage(self) -> tuple[str, ...]:
        """Names from the root of the ontology to the label."""
        if not self.cl_id:
            return (self.label,)
        return tuple(self.ontology.name(key) for key in self.ontology.lineage(self.cl_id))

    @property
    def definition(self) -> str:
        """What the label is: in the user's words, else in the ontology's."""
        return self.description or (self.ontology.definition(self.cl_id) if self.cl_id else "")

    def faults(self, sentence: str) -> list[str]:
        """Say what in a sentence the evidence does not bear out.

        Parameters
        ----------
        sentence
            One sentence.

        Returns
        -------
        The words at fault; none for a sentence that may stand.
        """
        if normalise(sentence) and normalise(sentence) in self._told:
            return []
        faults = self._wrong_negations(sentence) + self._wrong_cells(sentence)
        faults += self._wrong_symbols(sentence) + self._repeated_genes(sentence)
        faults += self._wrong_tissues(sentence) + self._unsupported(sentence)
        return list(dict.fromkeys(faults))

    def names_label(self, sentence: str) -> bool:
        """Whether a sentence says what the cells are."""
        mentions = find_mentions(sentence, self.ontology)
        named = any(self.cl_id in found.ids for found in mentions)
        return named or f" {normalise(self.label)} " in f" {normalise(sentence)} "

    @cached_property
    def _above(self) -> frozenset[str]:
        if not self.cl_id:
            return frozenset()
        return self.ontology.ancestors(self.cl_id) | {self.ontology.current(self.cl_id)}

    @cached_property
    def _definitions(self) -> tuple[str, ...]:
        """What the label is, in words: its own definition first."""
        above = [self.ontology.definition(key) for key in sorted(self._above - {self.cl_id})]
        own = self.ontology.definition(self.cl_id) if self.cl_id else ""
        return tuple(filter(None, (self.description, own, *above)))

    @cached_property
    def _told(self) -> str:
        return " | ".join(normalise(text) for text in self._definitions)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        synonyms = (name for key in self._above for name in self.ontology.synonyms(key))
        return (self.label, *(self.ontology.name(key) for key in self._above), *synonyms)

    @cached_property
    def _told_cells(self) -> frozenset[str]:
        found = (find_mentions(text, self.ontology) for text in self._definitions)
        return frozenset(mention.phrase for mentions in found for mention in mentions)

    def _wrong_cells(self, sentence: str) -> list[str]:
        says_what_they_are = _NAMES_CELLS.search(sentence)
        own = normalise(self.label)
        return [
            found.phrase
            for found in find_mentions(sentence, self.ontology)
            if not found.ids & self._above
            and found.phrase not in own
            and (says_what_they_are or found.phrase not in self._told_cells)
        ]

    def _wrong_symbols(self, sentence: str) -> list[str]:
        """Words that look like genes, for they hold a digit or two capitals."""
        opening = self.label[:1].upper() + self.label[1:]
        allowed = _words((*self._names, opening, self.tissue)) | {*self.genes}
        if not _EXPRESSION.search(sentence):
            allowed |= _words(self._definitions)
        said = dict.fromkeys(_WORD.findall(sentence))
        return [
            word
            for word in said
            if word not in allowed
            and {part for part in word.split("-") if _is_symbol(part)} - allowed
        ]

    def _repeated_genes(self, sentence: str) -> list[str]:
        """Genes that a list names more than once: true, and yet nonsense."""
        said = [word for word in _WORD.findall(sentence) if word in self.genes]
        return [word for word in dict.fromkeys(said) if said.count(word) > 1]

    def _wrong_negations(self, sentence: str) -> list[str]:
        for name in sorted(self._names, key=len, reverse=True):
            sentence = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", sentence, flags=re.I)
        return [found[0] for found in _NEGATION.finditer(sentence)]

    @cached_property
    def _sources(self) -> tuple[frozenset[str], ...]:
        """Words that may be said together: those known in any case, and with each definition."""
        known = (*self._names, *self.genes, self.tissue, self.description)
        always = _FREE | _normal_words(known)
        return (always, *(always | _normal_words([text]) for text in self._definitions))

    def _unsupported(self, sentence: str) -> list[str]:
        """Words without a source: names, genes and tissue, with one definition at a time."""
        said = dict.fromkeys(normalise(sentence).split())
        left = ([word for word in said if word not in known] for known in self._sources)
        return min(left, key=len)

    def _wrong_tissues(self, sentence: str) -> list[str]:
        said = f" {normalise(sentence)} "
        known = f" {normalise(' | '.join((*self._names, *self._definitions, self.tissue)))} "
        words = (f" {normalise(tissue)} " for tissue in self.tissues)
        return [word.strip() for word in words if word in said and word not in known]


def sentences(text: str) -> list[str]:
    """Cut a text into its finished sentences.

    Parameters
    ----------
    text
        Any text; white space is evened out and repetitions are dropped.

    Returns
    -------
    The sentences in order.

    Examples
    --------
    >>> sentences("A cell. A cell. It expresses CD3D, and")
    ['A cell.']
    """
    parts = _BREAK.split(" ".join(text.split()))
    return list(dict.fromkeys(part for part in parts if part.endswith((".", "!", "?"))))


def choose_text(candidates: Iterable[str], evidence: Evidence) -> tuple[str, bool]:
    """Choose among what the decoder wrote.

    The first candidate that may stand as it is wins; else the one of which most sentences may
    stand, without the others. In either case it says what the cells are.

    Parameters
    ----------
    candidates
        Texts, the preferred one first.
    evidence
        What may be said.

    Returns
    -------
    The text, `""` where none will do, and whether it is a whole candidate.
    """
    best: list[str] = []
    for candidate in candidates:
        written = sentences(candidate)
        kept = [sentence for sentence in written if not evidence.faults(sentence)]
        if not any(evidence.names_label(sentence) for sentence in kept):
            continue
        if kept == written:
            return " ".join(kept), True
        if len(kept) > len(best):
            best = kept
    return " ".join(best), False


def evidence_text(evidence: Evidence) -> str:
    """State the evidence itself, for want of a text that may stand.

    Parameters
    ----------
    evidence
        What is known.

    Returns
    -------
    One or two sentences, which name no more than the evidence does.
    """
    if evidence.cl_id == ROOT:
        return "The evidence does not single out a type of cell."
    parent = f", a kind of {evidence.lineage[-2]}" if len(evidence.lineage) > 1 else ""
    says = f"These cells are best described as {evidence.label}{parent}."
    genes = _enumerate(evidence.genes[:3])
    return f"{says} They express {genes}." if genes else says


def _enumerate(words: Sequence[str]) -> str:
    *first, last = words or ("",)
    return f"{', '.join(first)} and {last}" if first else last


def _words(texts: Iterable[str]) -> set[str]:
    """Words of texts, and the parts of those with hyphens."""
    words = {word for text in texts for word in _WORD.findall(text)}
    return words | {part for word in words for part in word.split("-")}


def _normal_words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in normalise(text).split()}


def _is_symbol(word: str) -> bool:
    return any(letter.isdigit() for letter in word) or sum(map(str.isupper, word)) > 1
