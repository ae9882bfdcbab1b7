"""Captions: what people write about a cell of a type, in many wordings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl import ontology
from scmmgpt_tl.model.encoders.geneset import TARGET_SUM
from scmmgpt_tl.model.prompts import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .reference import Profiles

# They stand deep enough, and yet say nothing of what a cell does.
TOO_GENERAL = frozenset({"CL:0000000", "CL:0000003", "CL:0000255", "CL:0000548", "CL:0000219"})

# Mitochondrial and ribosomal genes mark no type, and haemoglobin is in every soup.
HOUSEKEEPING = re.compile(r"MT-|MTRNR|RP[LS]\d|RP[LS]A|HB[ABDEGMQZ]\d?$")


class Captioner:
    """Writes captions for Cell Ontology terms.

    Parameters
    ----------
    markers
        Genes that stand out in a type, strongest first, by term id.
    """

    def __init__(self, markers: Mapping[str, Sequence[str]]) -> None:
        # A type without any gene of its own is not said to express some.
        self._markers = {term: list(genes) for term, genes in markers.items() if genes}
        self._cl = ontology.load()

    def write(self, term: str, rng: np.random.Generator, *, tissue: str = "") -> str:
        """Return one caption of a term, in a wording drawn by `rng`."""
        name = self._name(term, rng)
        definition = self.definition(term)
        kind = rng.random()
        if kind < 0.30:
            text = name
        elif kind < 0.50 and definition:
            text = f"{name}: {definition}"
        elif kind < 0.60 and definition:
            text = definition
        elif kind < 0.72 and tissue:
            text = str(
                rng.choice([f"{name} from {tissue}", f"{tissue} {name}", f"{name} in the {tissue}"])
            )
        elif kind < 0.82 and term in self._markers:
            genes = self._draw_markers(term, rng)
            text = str(
                rng.choice(
                    [
                        f"{name} expressing {genes}",
                        f"{genes} positive {name}",
                        f"cells expressing {genes}",
                    ]
                )
            )
        elif kind < 0.92 and self._cl.parents(term):
            parent = self._cl.name(self._cl.lineage(term)[-2])
            text = str(rng.choice([f"{name}, a kind of {parent}", f"{name} ({parent})"]))
        else:
            text = str(rng.choice([f"a {name}", f"this cell is a {name}", f"cell type: {name}"]))
        return text

    def definition(self, term: str) -> str:
        """Return the ontology's definition, cut after its first sentences."""
        return shorten(self._cl.definition(term))

    def markers(self, term: str) -> Sequence[str]:
        """Return the genes that stand out in a type, strongest first; none for other terms."""
        return self._markers.get(term, ())

    def _name(self, term: str, rng: np.random.Generator) -> str:
        synonyms = self._cl.synonyms(term)
        if synonyms and rng.random() < 0.3:
            return str(rng.choice(synonyms))
        return self._cl.name(term)

    def _draw_markers(self, term: str, rng: np.random.Generator) -> str:
        top = list(self._markers[term][:15])
        chosen = rng.choice(top, size=min(len(top), int(rng.integers(2, 6))), replace=False)
        return ", ".join(chosen)


def marker_genes(
    profiles: Profiles, symbols: Sequence[str], *, n: int = 20
) -> dict[str, list[str]]:
    """Return the genes that stand out in each type's mean profile, from the profiles themselves.

    A gene's strength in a type is its log-normalised level there minus the mean over all types
    that measured it, weighted by that level; housekeeping genes fall away by the difference.
    """
    levels, terms = type_means(profiles)
    measured = np.isfinite(levels)
    mean = np.where(measured, levels, 0).sum(0) / np.maximum(measured.sum(0), 1)
    contrast = levels - mean
    strength = np.nan_to_num(contrast * np.sqrt(np.maximum(levels, 0)), nan=-1.0)
    usable = np.array([not HOUSEKEEPING.match(symbol) for symbol in symbols])
    strength[:, ~usable] = -1.0
    best = np.argsort(-strength, axis=1)[:, :n]
    return {
        term: [symbols[g] for g in best[i] if strength[i, g] > 0.5] for i, term in enumerate(terms)
    }


def type_means(profiles: Profiles) -> tuple[NDArray[np.float32], list[str]]:
    """Mean log1p(CP10k) of each type, NaN where no profile measured a gene; and the types."""
    terms = sorted(set(profiles.terms))
    owner = np.array(profiles.terms, dtype=object)
    levels = np.full((len(terms), profiles.shares.shape[1]), np.nan, dtype=np.float32)
    for i, term in enumerate(terms):
        members = np.flatnonzero(owner == term)
        measured = profiles.panels[profiles.panel[members]]
        logged = np.log1p(TARGET_SUM * profiles.shares[members])
        times = measured.sum(0)
        total = np.where(measured, logged, 0).sum(0)
        levels[i] = np.where(times > 0, total / np.maximum(times, 1), np.nan)
    return levels, terms


def relations(terms: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which terms are the same or related by descent.

    Returns
    -------
    is_a
        True at (i, j) where a cell of term i is also one of term j (same or ancestor).
    may_be
        True at (i, j) where a cell called i could turn out to be one of j (j descends from i).
    """
    cl = ontology.load()
    place = {term: i for i, term in enumerate(terms)}
    is_a = np.eye(len(terms), dtype=bool)
    for i, term in enumerate(terms):
        above = [place[a] for a in cl.ancestors(term) if a in place]
        is_a[i, above] = True
    may_be = is_a.T & ~np.eye(len(terms), dtype=bool)
    return is_a, may_be


def caption_terms(types: Sequence[str]) -> tuple[str, ...]:
    """Return the types and all their ancestors that say something."""
    cl = ontology.load()
    above = {a for term in types for a in cl.ancestors(term) if cl.depth(a) >= 2}
    return (*types, *sorted(above - set(types) - TOO_GENERAL))
