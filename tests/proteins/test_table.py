"""Names of antibodies, and what is known of their proteins."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from scmmgpt_tl import ontology
from scmmgpt_tl.proteins import _table
from scmmgpt_tl.proteins._table import find, is_control


@pytest.mark.parametrize(
    ("antibody", "protein"),
    [
        ("CD3", "CD3"),
        ("CD3e", "CD3"),
        ("CD8a_TotalSeqB", "CD8"),
        ("CD4_TotalSeqC0072", "CD4"),
        ("anti-human CD14", "CD14"),
        ("ADT_CD19", "CD19"),
        ("CD56_PROT", "CD56"),
        ("HLA-DR", "HLA-DR"),
        ("Hu.HLA.DR", "HLA-DR"),
        ("MHCII (HLA-DR)", "HLA-DR"),
        ("PD-1 (CD279)", "CD279"),
        ("IL7Ralpha (CD127)", "CD127"),
        ("CD45RA.1", "CD45RA"),
        ("CD45RO", "CD45RO"),
        ("IgD", "IgD"),
        ("TCRgd", "TCRgd"),
        ("TCRγδ", "TCRgd"),
        ("CD3-CTCATTGTAACTCCT", "CD3"),
        ("CD4_RPA.T4", "CD4"),
        ("IL2RA", "CD25"),
        # The second antibody against CD4 and CD3, not CD41 and CD31.
        ("CD4-1", "CD4"),
        ("CD3-1", "CD3"),
        ("CD41", "CD41"),
        ("CD31", "CD31"),
    ],
)
def test_antibodies_are_known_by_their_names(antibody, protein):
    assert not is_control(antibody)
    assert find(antibody).name == protein


@pytest.mark.parametrize("antibody", ["Mystery", "CD", "PTPRC", "", "hashtag-3", "CD11a/CD18"])
def test_what_is_not_known_has_no_protein(antibody):
    assert find(antibody) is None


@pytest.mark.parametrize(
    "antibody", ["IgG1", "IgG2a-control", "Mouse IgG2b, κ isotype Ctrl", "Rat-IgG2c"]
)
def test_isotype_controls(antibody):
    assert is_control(antibody)


@pytest.mark.parametrize("antibody", ["IgM", "IgD", "IgA", "IgG-Fc", "IgG", "CD1a"])
def test_antibodies_against_antibodies_are_no_controls(antibody):
    assert not is_control(antibody)


def test_names_are_of_one_protein_each():
    seen = {}
    for protein in _table.load():
        for name in (protein.name, *protein.aliases):
            assert seen.setdefault(_table._plain(name), protein.name) == protein.name


def test_terms_are_written_as_the_ontology_writes_them():
    cl = ontology.load()
    with files("scmmgpt_tl.proteins").joinpath("proteins.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            assert row["genes"]
            listed = [n for c in ("present", "absent", "varies") for n in row[c].split("|") if n]
            assert [cl.name(cl.resolve(name)) for name in listed] == listed
            assert len(set(listed)) == len(listed)
