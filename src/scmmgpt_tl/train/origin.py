"""Where cells and profiles come from, and whether two sources are of the same study.

Everyone names studies in their own words, so two are taken for the same where they share a name, an
accession, a DOI, the id of a data set, the first author and the year, or a donor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

ACCESSION = re.compile(
    r"\b(?:GSE|SCP|SRP|ERP|PRJNA|PRJEB|E-MTAB-|EGAS|EGAD|phs)\d+\b"
    r"|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
)
DOI = re.compile(r"\b10\.\d{4,9}/[^\s;,\"'<>()]+")
DOI_VERSION = re.compile(r"v\d+$")
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
AUTHOR = re.compile(r"\s*([A-Z][\w-]+)\b.*\bet al\b")
# A number, alone or after a common word, counts the donors of one study; it names nobody.
NUMBERED = re.compile(
    r"(?:donor|patient|subject|sample|samp|individual|case|control|ctrl|[a-z]{1,2})?[\s_.-]*\d{1,3}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Origin:
    """What is known of the study that some cells or profiles are of.

    Parameters
    ----------
    study
        Its name.
    source
        File, table or store that says so.
    cited
        Articles and accessions, in any words, parted by `;`.
    donors
        Names of donors.
    """

    study: str
    source: str
    cited: str = ""
    donors: frozenset[str] = frozenset()

    @cached_property
    def ids(self) -> frozenset[str]:
        """Accessions, ids of data sets and DOIs."""
        text = f"{self.study} {self.cited}"
        dois = (DOI_VERSION.sub("", doi.rstrip(".").lower()) for doi in DOI.findall(text))
        return frozenset((*ACCESSION.findall(text), *dois))

    @cached_property
    def authors(self) -> frozenset[tuple[str, str]]:
        """First authors, each with the year, `""` where it is not told."""
        parts = ((AUTHOR.match(part), YEAR.search(part)) for part in self.cited.split(";"))
        return frozenset((author[1], year[0] if year else "") for author, year in parts if author)

    @cached_property
    def words(self) -> frozenset[str]:
        """All words, years among them."""
        return frozenset(re.findall(r"[\w-]+", re.sub(r"[_|/]", " ", f"{self.study} {self.cited}")))

    @cached_property
    def people(self) -> frozenset[str]:
        """Donors whose name is no mere number."""
        return frozenset(name for name in self.donors if not NUMBERED.fullmatch(name))


def in_common(one: Origin, other: Origin) -> str:
    """Return why two origins may be the same study, `""` where nothing speaks for it.

    Examples
    --------
    >>> profiles = Origin("landmarks|Enge_2017", "landmarks.h5ad")
    >>> cells = Origin("pancreas", "pancreas.h5ad", "Enge et al. 2017 Cell, GSE81547")
    >>> in_common(profiles, cells)
    'the article of Enge'
    >>> in_common(profiles, Origin("pancreas", "pancreas.h5ad", "Enge et al. 2021"))
    ''
    """
    if one.study == other.study:
        return f"the name {one.study!r}"
    if ids := one.ids & other.ids:
        return ", ".join(sorted(ids))
    if people := one.people & other.people:
        return f"the donors {', '.join(sorted(people)[:3])}"
    authors = {*_named(one, other), *_named(other, one)}
    return f"the article of {', '.join(sorted(authors))}" if authors else ""


def _named(cites: Origin, other: Origin) -> list[str]:
    """First authors that one cites and the other names, with the same year as far as both tell."""
    years = {word for word in other.words if YEAR.fullmatch(word)}
    return [
        author
        for author, year in cites.authors
        if author in other.words and (not year or not years or year in years)
    ]
