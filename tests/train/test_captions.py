from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl import ontology
from scmmgpt_tl.train.captions import (
    TOO_GENERAL,
    Captioner,
    caption_terms,
    marker_genes,
    relations,
    type_means,
)

T_CELL, CD4, LYMPHOCYTE, HEPATOCYTE = "CL:0000084", "CL:0000624", "CL:0000542", "CL:0000182"
MARKERS = {T_CELL: ["CD3D", "CD3E", "CD3G", "TRAC"], HEPATOCYTE: []}


@pytest.fixture(scope="module")
def captions():
    captioner, rng = Captioner(MARKERS), np.random.default_rng(0)
    return [captioner.write(T_CELL, rng, tissue="spleen") for _ in range(500)]


def test_captions_use_all_that_is_known(captions):
    cl = ontology.load()
    definition = cl.definition(T_CELL).split(". ")[0].rstrip(".")
    for part in ("T cell", definition, "spleen", "CD3D", "lymphocyte", "expressing", "positive"):
        assert any(part in caption for caption in captions), part
    assert any(synonym in caption for synonym in cl.synonyms(T_CELL) for caption in captions)


def test_captions_come_in_many_wordings(captions):
    assert len(set(captions)) > 50
    assert 0.2 < captions.count("T cell") / 500 < 0.35


def test_every_caption_names_the_type_or_says_what_it_is(captions):
    cl = ontology.load()
    names = [cl.name(T_CELL), *cl.synonyms(T_CELL)]
    definition = Captioner(MARKERS).definition(T_CELL)
    for caption in captions:
        known = [*names, definition, "cells expressing"]
        assert any(name in caption for name in known), caption


def test_captions_state_only_what_is_known():
    captioner, rng = Captioner(MARKERS), np.random.default_rng(0)
    for term in (CD4, HEPATOCYTE):
        texts = [captioner.write(term, rng) for _ in range(300)]
        assert not any(" from " in t and "derived" not in t and t.endswith(" from ") for t in texts)
        assert not any("expressing" in t and "CD4" not in t for t in texts)
        assert not any(t.strip() != t or "  " in t for t in texts)


def test_a_seed_decides_the_wording():
    captioner = Captioner(MARKERS)
    first, again, other = (
        [captioner.write(T_CELL, rng) for _ in range(20)]
        for rng in map(np.random.default_rng, (0, 0, 1))
    )
    assert first == again != other


def test_relations_of_known_terms():
    terms = (T_CELL, CD4, LYMPHOCYTE, HEPATOCYTE)
    is_a, may_be = relations(terms)
    expected = np.array([[1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=bool)
    np.testing.assert_array_equal(is_a, expected)
    np.testing.assert_array_equal(may_be, expected.T & ~np.eye(4, dtype=bool))


def test_caption_terms_are_the_types_and_what_is_above():
    found = caption_terms([T_CELL, HEPATOCYTE])
    cl = ontology.load()
    assert found[:2] == (T_CELL, HEPATOCYTE)
    assert len(set(found)) == len(found)
    assert LYMPHOCYTE in found
    assert not set(found) & TOO_GENERAL
    for term in found[2:]:
        assert {T_CELL, HEPATOCYTE} & cl.descendants(term)


def test_type_means_are_over_profiles_that_measured(material):
    profiles = material.profiles
    levels, terms = type_means(profiles)
    assert terms == sorted(set(profiles.terms))
    for i, term in enumerate(terms):
        own = [p for p, t in enumerate(profiles.terms) if t == term]
        for g in (0, 150, 250, 299):
            seen = [
                np.log1p(1e4 * profiles.shares[p, g])
                for p in own
                if profiles.panels[profiles.panel[p], g]
            ]
            assert levels[i, g] == pytest.approx(np.mean(seen), rel=1e-4)


def test_markers_are_the_genes_that_were_raised(material, gene_table):
    markers = marker_genes(material.profiles, gene_table.symbols)
    # The first type's markers are the first twelve genes, and so on: see conftest.py.
    order = ("CL:0000084", "CL:0000624", "CL:0000236", "CL:0000623", "CL:0000860", "CL:0000182")
    dull = ("MT-", "RPL", "RPS", "MTRNR", "HB")
    for i, term in enumerate(order):
        raised = [s for s in gene_table.symbols[12 * i : 12 * i + 12] if not s.startswith(dull)]
        assert set(raised) <= set(markers[term][: len(raised) + 2])
