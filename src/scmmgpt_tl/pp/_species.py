"""Whose genes are these? A guess from nothing but their names."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._names import Match

UNKNOWN = "unknown"
# By the letters in Ensembl's gene ids, ENS...G and eleven digits.
_ENSEMBL = {
    "": "human", "MUS": "mouse", "RNO": "rat", "DAR": "zebrafish", "MMU": "rhesus macaque",
    "MFA": "crab-eating macaque", "PTR": "chimpanzee", "GGO": "gorilla", "CJA": "marmoset",
    "MIC": "mouse lemur", "SSC": "pig", "BTA": "cow", "OAR": "sheep", "CAF": "dog", "OCU": "rabbit",
    "GAL": "chicken", "XET": "frog",
}  # fmt: skip
_ENSEMBL_ID = re.compile(r"(?:.*[^A-Z0-9])?ENS([A-Z]{3})?G\d{11}(?:\D.*)?", re.DOTALL)
# Names that the genes of one species only have, also where a file has put everything in capitals.
_NAMED = {
    "mouse": r"\d{7}[A-Z]\d{2}RIK|GM\d{4,5}|H2-[A-Z]{1,2}\d?",
    "rat": r"RT1-.+|RGD\d{6,}|AABR\d{8}(?:\.\d+)?",
    "zebrafish": r"SI:.+|ZGC:\d+",
    "fruit fly": r"FBGN\d{7}|CG\d{4,5}|L\(\d\).+",
    "roundworm": r"WBGENE\d{8}|[A-Z]\d{1,2}[A-Z]\d{1,2}\.\d+",
    "yeast": r"Y[A-P][LR]\d{3}[WC]",
    "thale cress": r"AT[1-5CM]G\d{5}",
}
_OWN = re.compile("|".join(f"({pattern})" for pattern in _NAMED.values()), re.IGNORECASE)
# What references for mixtures of species put before each name.
_GENOMES = {
    "human": re.compile(r"(?:GRCh3[78]|hg19|hg38|human)_+", re.IGNORECASE),
    "mouse": re.compile(r"(?:GRCm3[89]|mm9|mm10|mm39|mouse)_+", re.IGNORECASE),
}
_CAPITALISED = re.compile(r"[A-Z][a-z0-9.-]*[a-z][a-z0-9.-]*")
# Shares of all names: that two species must have each, and that a few telling names must be.
_MIXED, _TELLING, _KNOWN = 0.1, 0.01, 0.05
_FEWEST = 5


class Guess(NamedTuple):
    """A species, `"unknown"` where nothing tells, and another one whose genes are there too."""

    species: str
    beside: str = ""


def bare(name: str, species: str) -> str:
    """Return a name without the genome of a species before it.

    Examples
    --------
    >>> bare("mm10___Cd3e", "mouse"), bare("mm10___Cd3e", "human")
    ('Cd3e', 'mm10___Cd3e')
    """
    return _GENOMES[species].sub("", name.strip(), count=1)


def guess_species(names: Sequence[str], matches: Sequence[Match | None]) -> Guess:
    """Guess whose genes these are.

    Parameters
    ----------
    names
        Symbols or ids.
    matches
        The human gene of each name, from :func:`match_names`.
    """
    strange = [
        name
        for name, match in zip(names, matches, strict=True)
        if match is None or match.way == "respelled"
    ]
    # By what nobody chose: ids, and genomes put before each name.
    stated = Counter(filter(None, map(_stated, strange)))
    human = len(names) - len(strange) + stated["human"]
    mouse = stated["mouse"] + sum(looks_like_mouse(name) for name in strange)
    if min(human, mouse) > _MIXED * len(names):
        return Guess("human", beside="mouse")
    others = stated + Counter(filter(None, map(_own, strange)))
    del others["human"]
    for species, number in others.most_common(1):
        if number > max(_FEWEST, _TELLING * len(names)) or number > human:
            return Guess(species)
    if mouse > max(human, 0.5 * len(names)):
        return Guess("mouse")
    known = len(names) - sum(match is None for match in matches)
    return Guess("human" if known > _KNOWN * len(names) else UNKNOWN)


def looks_like_mouse(name: str) -> bool:
    """Tell whether a name is spelled as mouse symbols are, such as `"Cd3e"`."""
    return _CAPITALISED.fullmatch(name) is not None


def _stated(name: str) -> str:
    """Species that a name states, `""` if none."""
    for species, genome in _GENOMES.items():
        if genome.match(name):
            return species
    if (found := _ENSEMBL_ID.fullmatch(name)) is None:
        return ""
    letters = found[1] or ""
    return _ENSEMBL.get(letters, f"a species with ids ENS{letters}G...")


def _own(name: str) -> str:
    """Species that alone has a gene of such a name, `""` if none."""
    found = _OWN.fullmatch(name)
    return "" if found is None else list(_NAMED)[(found.lastindex or 1) - 1]
