from __future__ import annotations

import pandas as pd
import pytest

from scmmgpt_tl.model.genes import GeneTable
from scmmgpt_tl.pp._build import build_table
from scmmgpt_tl.pp._orthologs import TABLE, human_places, read_orthologs


@pytest.fixture(scope="module")
def pairs() -> dict[str, str]:
    found = read_orthologs()
    return dict(zip(found.mouse.symbols, found.human.symbols, strict=True))


@pytest.mark.parametrize(
    ("mouse", "human"),
    [
        ("Cd3e", "CD3E"),
        ("Trp53", "TP53"),
        ("Cd8b1", "CD8B"),
        ("Ptprc", "PTPRC"),
        ("Ly6g", None),
        ("Epcam", "EPCAM"),
        ("Cd244a", "CD244"),
        ("Il2ra", "IL2RA"),
        # Of several relatives, the one that most resources name.
        ("Ins2", "INS"),
        ("Ins1", None),
        ("Lyz2", "LYZ"),
        ("Mycn", "MYCN"),
        ("Tmsb4x", "TMSB4X"),
        # Many to many.
        ("Fcgr4", None),
        ("H2-K1", None),
        ("Ly6c2", None),
    ],
)
def test_known_pairs(mouse, human, pairs):
    assert pairs.get(mouse) == human


def test_no_gene_occurs_twice_and_the_table_is_small(pairs):
    assert len(pairs) == len(set(pairs.values())) > 17_000
    assert TABLE.stat().st_size < 300_000


def test_most_pairs_share_their_symbol(pairs):
    # By what both nomenclature committees agreed on, independent of what the table is made from.
    same = sum(mouse.upper() == human for mouse, human in pairs.items())
    assert 0.8 < same / len(pairs) < 0.95


def test_places_are_those_of_the_human_gene():
    genes = GeneTable(("PTPRC", "CD3E"), ("ENSG00000081237", ""), ((), ()))
    places = human_places(genes)
    found = {read_orthologs().mouse.symbols[i]: p for i, p in enumerate(places) if p >= 0}
    assert found == {"Ptprc": 0, "Cd3e": 1}


HCOP = [
    # One to one, which Ensembl calls so too.
    ("M1", "Aa", "H1", "AA", "Ensembl,OMA,NCBI"),
    # Two mouse genes of one human gene: the one with more resources.
    ("M2", "Bb1", "H2", "BB", "OMA,NCBI,HGNC"),
    ("M3", "Bb2", "H2", "BB", "OMA,NCBI"),
    # Named equally often: many to many.
    ("M4", "Cc1", "H3", "CC", "OMA,NCBI"),
    ("M5", "Cc2", "H3", "CC", "OMA,NCBI"),
    # The same, but Ensembl calls one of them one to one.
    ("M6", "Dd1", "H4", "DD", "Ensembl,NCBI"),
    ("M7", "Dd2", "H4", "DD", "OMA,NCBI"),
    # A single resource.
    ("M8", "Ee", "H5", "EE", "OrthoMCL"),
    # One resource twice.
    ("M9", "Ff", "H6", "FF", "OMA,OMA"),
]


def test_table_is_made_of_what_resources_agree_on():
    hcop = pd.DataFrame(HCOP)
    called = [("M1", "Aold", "AA", "H1"), ("M6", "Dd1", "DD", "H4")]
    biomart = pd.DataFrame([(*row, "ortholog_one2one", "1", "100") for row in called])
    gencode = pd.DataFrame([("M2", "Bnew"), ("M6", "Dd1")])
    table = build_table(biomart, hcop, gencode)
    pairs = dict(zip(table["mouse_symbol"], table["human_symbol"], strict=True))
    assert pairs == {"Aa": "AA", "Bb1": "BB", "Dd1": "DD"}
    assert dict(zip(table["mouse_symbol"], table["mouse_aliases"], strict=True)) == {
        "Aa": "Aold",
        "Bb1": "Bnew",
        "Dd1": "",
    }
