"""Gene names: what they look like, and which gene of a table they mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from ._orthologs import human_places, read_orthologs
from ._species import bare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scmmgpt_tl.model.genes import GeneTable

Species = Literal["human", "mouse"]
Way = Literal["symbol", "alias", "ensembl", "respelled"]

WAYS: tuple[Way, ...] = ("symbol", "alias", "ensembl", "respelled")

# Whole ids only: ENSA and ENST00000... are no gene ids. A symbol may stand beside the id.
_ENSEMBL = re.compile(r"(?:.*[_|:; ])?(ENS(?:MUS)?G\d{11})(?:\.\d+)?(?:_PAR_Y)?(?:[_|:; ].*)?")
# What `var_names_make_unique` (and R's make.unique) append to a repeated name.
_REPEATED = re.compile(r"(.+)[-.]\d+")


class Match(NamedTuple):
    """Place in the table of the gene that a name means, and how it was found."""

    gene: int
    way: Way


def match_names(
    names: Sequence[str], genes: GeneTable, species: Species = "human"
) -> list[Match | None]:
    """Find the gene of each name.

    Parameters
    ----------
    names
        Symbols or Ensembl ids, in any mixture.
    genes
        The model's genes, which are human ones.
    species
        Whose names they are. Those of a mouse are looked up among the orthologs.
    """
    if species == "human":
        return _match_all(names, genes, species)
    places = human_places(genes)
    found = _match_all(names, read_orthologs().mouse, species)
    return [
        None if match is None or places[match.gene] < 0 else Match(places[match.gene], match.way)
        for match in found
    ]


def _match_all(names: Sequence[str], genes: GeneTable, species: Species) -> list[Match | None]:
    """Find each name in a table of the genes of its own species."""
    present = set(names)
    return [
        _match(name, genes) or _respell(name, genes, present, species=species) for name in names
    ]


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


def _respell(name: str, genes: GeneTable, present: set[str], *, species: Species) -> Match | None:
    """Match a name that was altered on its way: by a prefix, a suffix, R, or in capitals."""
    plain = bare(name, species)
    spellings = [plain, plain.replace(".", "-")]
    if (repeated := _REPEATED.fullmatch(plain)) and repeated[1] in present:
        spellings.append(repeated[1])
    for spelling in spellings:
        if (match := _match(spelling, genes)) is not None:
            return Match(match.gene, "respelled")
    index = genes.by_upper.get(plain.upper())
    return None if index is None else Match(index, "respelled")
