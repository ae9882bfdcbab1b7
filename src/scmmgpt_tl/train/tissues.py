"""Tissue names of the sources, in plain words."""

from __future__ import annotations

# Some sources name a sample after its authors, its project or a state; that is no tissue.
AUTHORS = (
    "camp",
    "guo",
    "la manno",
    "lake",
    "lamanno",
    "li",
    "muraro",
    "nguyen",
    "paresh",
    "plasschaert",
    "segerstolpe",
    "tsang",
    "velten",
    "vento tormo",
    "ventotormo",
    "villani",
    "zhong",
)
PROJECTS = (
    "adult",
    "census immune",
    "covid airway",
    "es",
    "immunodeficiency nasal swabs",
    "immunodeficiency pbmcs",
    "mgh broad",
    "pbmcs",
    "preimplantation embryo",
    "tumor immune",
)
NOT_A_TISSUE = frozenset((*AUTHORS, *PROJECTS))


def readable(tissue: str) -> str:
    """Return the tissue that a source's sample name means, `""` where it means none.

    Examples
    --------
    >>> readable("FetalKidney3"), readable("Adult-TransverseColon1"), readable("Segerstolpe")
    ('fetal kidney', 'transverse colon', '')
    """
    name = tissue.rstrip("0123456789-").replace("_", " ").replace("-", " ")
    words = _split_camel_case(name).lower()
    words = words.replace("adult ", "").replace("peripheral blood", "blood").strip()
    return "" if words in NOT_A_TISSUE else words


def _split_camel_case(name: str) -> str:
    starts = (i for i in range(1, len(name)) if name[i].isupper() and name[i - 1].islower())
    for i in reversed(list(starts)):
        name = f"{name[:i]} {name[i:]}"
    return name
