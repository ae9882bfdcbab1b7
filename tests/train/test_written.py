from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl import ontology
from scmmgpt_tl.train.written import corpus_texts, enumerate_words, write_description

T_CELL = "CL:0000084"
GENES = ["CD3D", "CD3E", "TRAC", "IL7R"]


@pytest.fixture(scope="module")
def written():
    rng = np.random.default_rng(0)
    return [write_description(T_CELL, GENES, "spleen", rng) for _ in range(300)]


def test_a_description_says_what_the_cells_are(written):
    for _, text in written:
        assert "T cell" in text
        assert "a kind of lymphocyte" in text
        assert text.endswith(".")


def test_evidence_is_stated_only_where_the_prompt_gives_it(written):
    for prompt, text in written:
        assert prompt.endswith("Description:")
        for word in ("CD3D", "CD3E", "TRAC", "spleen"):
            if word in text:
                assert word in prompt
        assert ("spleen" in prompt) == ("They come from spleen." in text)


def test_the_strongest_genes_are_named(written):
    assert any("CD3D, CD3E and TRAC" in text for _, text in written)
    assert not any("IL7R" in text for _, text in written)


def test_sometimes_there_is_no_evidence(written):
    bare = [text for prompt, text in written if prompt == "Description:"]
    assert 0.1 < len(bare) / 300 < 0.3
    assert not any("CD3D" in text for text in bare)


def test_root_of_the_ontology_can_be_described():
    written = write_description("CL:0000000", [], "", np.random.default_rng(0))
    assert "a kind of cell" in written.text


@pytest.mark.parametrize(
    ("words", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_enumeration(words, text):
    assert enumerate_words(words) == text


def test_corpus_holds_names_definitions_and_genes():
    texts = corpus_texts([T_CELL], ["CD3D"])
    assert {ontology.load().name(T_CELL), " CD3D,", "Description:"} <= set(texts)
    assert any(ontology.load().definition(T_CELL) in text for text in texts)
