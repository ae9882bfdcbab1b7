"""Gene names: what they look like, and which gene of a table they mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scmmgpt_tl.model.genes import GeneTable

Species = Literal["human", "mouse", "unknown"]
Way = Literal["symbol", "alias", "ensembl", "respelled"]

WAYS: tuple[Way, ...] = ("symbol", "alias", "ensembl", "respelled")

# Whole ids only: ENSA and ENST00000... are no gene ids. A symbol may stand beside the id.
_ENSEMBL = re.compile(r"(?:.*[_|:; ])?(ENSG\d{11})(?:\.\d+)?(?:_PAR_Y)?(?:[_|:; ].*)?")
_MOUSE_ENSEMBL = re.compile(r"(?:.*[_|:; ])?ENSMUSG\d{11}\b.*")
# Names that only mouse genes have, also where a file has put everything in capitals.
_MOUSE_CLONE = re.compile(r"(\d{7}[A-Z]\d{2}RIK|GM\d{4,5}|H2-[A-Z]{1,2}\d?)", re.IGNORECASE)
_CAPITALISED = re.compile(r"[A-Z][a-z0-9.-]*[a-z][a-z0-9.-]*")
_HUMAN_PREFIX = re.compile(r"(?:GRCh3[78]|hg19|hg38)_+")
# What `var_names_make_unique` (and R's make.unique) append to a repeated name.
_REPEATED = re.compile(r"(.+)[-.]\d+")


class Match(NamedTuple):
    """Place in the table of the gene that a name means, and how it was found."""

    gene: int
    way: Way


def match_names(names: Sequence[str], genes: GeneTable) -> list[Match | None]:
    """Find the gene of each name.

    Parameters
    ----------
    names
        Symbols or Ensembl ids, in any mixture.
    genes
        The model's genes.
    """
    present = set(names)
    return [_match(name, genes) or _respell(name, genes, present) for name in names]


def guess_species(names: Sequence[str], matches: Sequence[Match | None]) -> Species:
    """Guess whose genes these are.

    Parameters
    ----------
    names
        Symbols or Ensembl ids.
    matches
        The human gene of each name, from :func:`match_names`.
    """
    strange = [
        name
        for name, match in zip(names, matches, strict=True)
        if match is None or match.way == "respelled"
    ]
    human = len(names) - len(strange)
    mouse = sum(_MOUSE_ENSEMBL.fullmatch(name) is not None for name in strange)
    clones = sum(_MOUSE_CLONE.fullmatch(name) is not None for name in strange)
    capitalised = sum(_CAPITALISED.fullmatch(name) is not None for name in strange)
    if mouse > human or clones > max(5, 0.01 * len(names)):
        return "mouse"
    if capitalised > max(human, 0.5 * len(names)):
        return "mouse"
    known = len(names) - sum(match is None for match in matches)
    return "human" if known > 0.05 * len(names) else "unknown"


def _match(name: str, genes: GeneTable) -> Match | None:
    """Match a name as it is written."""
    if (index := genes.by_symbol.get(name)) is not None:
        return Match(index, "symbol")
    if found := _ENSEMBL.fullmatch(name):
        # An id that was merged into another is an alias of the gene.
        if (index := genes.by_ensembl.get(found[1])) is not None:
            return Match(index, "ensembl")
        if (index := genes.by_alias.get(found[1])) is not None:
            return Match(index, "alias")
    if (index := genes.by_alias.get(name)) is not None:
        return Match(index, "alias")
    return None


def _respell(name: str, genes: GeneTable, present: set[str]) -> Match | None:
    """Match a name that was altered on its way: by a prefix, a suffix, R, or in capitals."""
    bare = _HUMAN_PREFIX.sub("", name.strip(), count=1)
    spellings = [bare, bare.replace(".", "-")]
    if (repeated := _REPEATED.fullmatch(bare)) and repeated[1] in present:
        spellings.append(repeated[1])
    for spelling in spellings:
        if (match := _match(spelling, genes)) is not None:
            return Match(match.gene, "respelled")
    index = genes.by_upper.get(bare.upper())
    return None if index is None else Match(index, "respelled")
