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
CULTURES = ("embryonic stem cell", "mesenchymal stem cell cultured", "trophoblast stem cell")
NOT_A_TISSUE = frozenset((*AUTHORS, *PROJECTS, *CULTURES))
# Names for a part, a state or a sorting of what has a name of its own.
RENAMED = {
    "arc me": "hypothalamus",
    "bone marrow c kit": "bone marrow",
    "bone marrow mesenchyme": "bone marrow",
    "e18 brain": "fetal brain",
    "female fetal gonad": "fetal female gonad",
    "fetal stomache": "fetal stomach",
    "lung mesenchyme": "lung",
    "male fetal gonad": "fetal male gonad",
    "mammary gland involution": "mammary gland",
    "mammary gland lactation": "mammary gland",
    "mammary gland pregnancy": "mammary gland",
    "mammary gland pregrancy": "mammary gland",
    "mammary gland virgin": "mammary gland",
}


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
    return "" if words in NOT_A_TISSUE else RENAMED.get(words, words)


def _split_camel_case(name: str) -> str:
    starts = (i for i in range(1, len(name)) if name[i].isupper() and name[i - 1].islower())
    for i in reversed(list(starts)):
        name = f"{name[:i]} {name[i:]}"
    return name
