"""Which protein an antibody is against, and what is known of it."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Protein", "find", "is_control", "load"]

# What vendors and pipelines add to a name.
_TAGS = re.compile(
    r"[ ._-]*(?:total[ _-]?seq[ _-]?[a-d]?\d*|adt|prot|protein|antibody|tseq)$", re.IGNORECASE
)
_PREFIXES = re.compile(
    r"^(?:adt|prot|protein|anti|human|mouse/human|hu|hu/mo|humu|hashtag|ab)[ ._:-]+", re.IGNORECASE
)
# A second antibody of one protein: "CD4-1" and "CD45RA.1", which are not CD41; "PD-1" is a name.
_SECOND = re.compile(r"^(CD\d+\w*)[._-]\d$", re.IGNORECASE)
_NUMBER = re.compile(r"[._-]\d$")
_BARCODE = re.compile(r"[ ._-]+[ACGT]{12,}$")
_CONTROL = re.compile(
    r"isotype|control|ctrl|^(?:mouse|rat|rag|hamster|armenian|syrian|[ ._-])*ig[gm]\d[a-d]?(?:[ ,._-]|k|κ|l|λ|$)",
    re.IGNORECASE,
)
_GREEK = str.maketrans({"α": "a", "β": "b", "γ": "g", "δ": "d", "ε": "e", "κ": "k", "λ": "l"})


@dataclass(frozen=True)
class Protein:
    """A protein at the surface of cells, and who has it.

    Parameters
    ----------
    name
        What immunologists call it: the CD number where it has one.
    genes
        Symbols of the genes that encode it, or that make it where it is a sugar.
    aliases
        Other names that stand on antibodies.
    expected
        By Cell Ontology id: 1 where cells of the type have it, -1 where they lack it, 0 where
        both happens. Holds for all terms below that are not listed themselves.
    """

    name: str
    genes: tuple[str, ...]
    aliases: tuple[str, ...]
    expected: Mapping[str, int]


def is_control(antibody: str) -> bool:
    """Tell whether an antibody binds nothing in particular: an isotype control.

    Examples
    --------
    >>> [
    ...     is_control(name)
    ...     for name in ("IgG2a-control", "Mouse_IgG1", "IgG1", "IgM", "IgG-Fc", "CD3")
    ... ]
    [True, True, True, False, False, False]
    """
    return _CONTROL.search(_untagged(antibody)) is not None


def find(antibody: str) -> Protein | None:
    """Find the protein that an antibody is against.

    Parameters
    ----------
    antibody
        Its name as data sets have it.

    Returns
    -------
    The protein, `None` where the table has none of that name.

    Examples
    --------
    >>> [find(name).name for name in ("CD8a_TotalSeqB", "PD-1 (CD279)", "MHCII (HLA-DR)", "TCRγδ")]
    ['CD8', 'CD279', 'HLA-DR', 'TCRgd']
    """
    name = _untagged(antibody)
    inside = re.findall(r"[(\[]([^)\]]+)[)\]]", name)
    outside = re.sub(r"[(\[][^)\]]*[)\]]", " ", name)
    name = _SECOND.sub(r"\1", name)
    # "CD4_RPA.T4" names the clone as well.
    for candidate in (name, outside, *inside, _NUMBER.sub("", outside), name.rpartition("_")[0]):
        found = _index().get(_plain(candidate))
        if found is not None:
            return found
    return None


@cache
def load() -> tuple[Protein, ...]:
    """Read the table that ships with the package."""
    from scmmgpt_tl import ontology

    cl = ontology.load()
    with files(__package__).joinpath("proteins.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return tuple(
        Protein(
            row["protein"],
            _split(row["genes"]),
            _split(row["aliases"]),
            {
                str(cl.resolve(name)): value
                for column, value in (("present", 1), ("absent", -1), ("varies", 0))
                for name in _split(row[column])
            },
        )
        for row in rows
    )


@cache
def _index() -> dict[str, Protein]:
    """Proteins by name; what a protein is called goes before what others are also called."""
    index: dict[str, Protein] = {}
    for names in (lambda p: (p.name,), lambda p: p.aliases, _genes_of_its_own):
        for protein in load():
            for name in names(protein):
                index.setdefault(_plain(name), protein)
    return index


def _genes_of_its_own(protein: Protein) -> Sequence[str]:
    # PTPRC is three proteins in the table, told apart by their antibodies alone.
    shared = {"PTPRC"}
    return [gene for gene in protein.genes if gene not in shared]


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part for part in cell.split("|") if part)


def _untagged(name: str) -> str:
    before, name = "", name.strip()
    while name != before:
        before = name
        name = _BARCODE.sub("", _PREFIXES.sub("", _TAGS.sub("", name)))
    return name


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9,]", "", name.translate(_GREEK).casefold())
