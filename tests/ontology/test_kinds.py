from __future__ import annotations

import pytest

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology._kinds import kinds_in


def kinds(label):
    cl = ontology.load()
    return [cl.name(kind) for kind in kinds_in(label, cl)]


def test_a_name_means_its_term_alone():
    assert kinds("tumor-associated macrophage") == ["macrophage"]
    assert kinds("CD14+ Mono") == ["CD14-positive monocyte"]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("NK/T cell", ["natural killer cell", "T cell"]),
        ("microglia/macrophage", ["microglial cell", "macrophage"]),
        ("IFN-responsive monocytes", ["monocyte"]),
        ("fetal neuron (quiescent)", ["neuron"]),
        ("Treg/Th17", ["regulatory T cell", "T-helper 17 cell"]),
    ],
)
def test_every_part_that_is_a_name_counts(label, expected):
    assert kinds(label) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("malignant glioma cell", ["malignant cell", "glial cell"]),
        ("acute myeloid leukaemia, M5", ["myeloid cell", "leukocyte"]),
        ("metastatic melanoma", ["melanocyte"]),
    ],
)
def test_a_tumour_is_what_it_is_made_of(label, expected):
    assert kinds(label) == expected


def test_what_a_part_names_beats_what_a_tumour_says_in_general():
    assert kinds("lymphoma B cell subset 2") == ["B cell"]


@pytest.mark.parametrize(
    "label", ["tumor-infiltrating T cell, early", "T cells of tumor-free skin"]
)
def test_words_about_the_surroundings_do_not_count(label):
    assert kinds(label) == ["T cell"]


def test_a_negation_that_begins_a_name_is_part_of_it():
    assert kinds("non-classical monocyte/macrophage") == ["non-classical monocyte", "macrophage"]
    assert kinds("non-T cell, odd") == []


@pytest.mark.parametrize("label", ["cluster 3", "doublet", "bone 2", "non-malignant", "low"])
def test_other_words_name_nothing(label):
    assert kinds(label) == []
