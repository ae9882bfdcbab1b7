from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology._mentions import find_mentions
from scmmgpt_tl.tl._writing.describe_text import Evidence, choose_text, evidence_text, sentences

GENES = ("CD3D", "CD3E", "HLA-DRA", "IL7R")
TRUE = "These cells are best described as T cell, a kind of lymphocyte."


def known(label="T cell", *, genes=GENES, tissue="", description=""):
    cl = ontology.load()
    term = cl.resolve(label) or ""
    return Evidence(
        label=cl.name(term) if term else label,
        cl_id=term,
        genes=genes,
        tissue=tissue,
        description=description,
        ontology=cl,
        tissues=("blood", "liver"),
    )


@pytest.mark.parametrize(
    "sentence",
    [
        pytest.param(TRUE, id="label"),
        pytest.param("T cells are leukocytes.", id="ancestor"),
        pytest.param("They express CD3D, CD3E and IL7R.", id="genes"),
        pytest.param("They express HLA-DRA.", id="hyphen"),
        pytest.param(
            "A type of lymphocyte whose defining characteristic is the expression of a T cell "
            "receptor complex.",
            id="definition",
        ),
        pytest.param("Their expression is of a T cell receptor.", id="name-inside-definition"),
        pytest.param("It expresses CD3D.", id="verb-with-s"),
        pytest.param("Markers of this T cell are CD3D and CD3E.", id="plural"),
        pytest.param("They are CD3D+ lymphocytes.", id="plus-sign"),
    ],
)
def test_sentences_that_may_stand(sentence):
    assert known().faults(sentence) == []


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        pytest.param("These cells are B cells.", "b cell", id="other-cell"),
        pytest.param("They are naive T cells.", "naive t cell", id="narrower"),
        pytest.param("They help hepatocytes.", "hepatocyte", id="in-passing"),
        pytest.param("This group looks like B cell.", "b cell", id="looks-like"),
        pytest.param("They express CD3D and CD8A.", "CD8A", id="gene"),
        pytest.param("Genes that stand out are CD3D and CD8A.", "CD8A", id="standing-out"),
        pytest.param("They are marked by CD8A.", "CD8A", id="marked"),
        pytest.param("They express CD3D, CD3E and CD3D.", "CD3D", id="gene-twice"),
        pytest.param("They are CD4+ T cells.", "CD4", id="marker"),
        pytest.param("They are not lymphocytes.", "not", id="negation"),
        pytest.param("They lack CD3D.", "lack", id="lack"),
        pytest.param("They are CD3D-negative.", "negative", id="negative"),
        pytest.param("They come from the liver.", "liver", id="tissue"),
        pytest.param("They carry a T cell receptor.", "carry", id="verb"),
        pytest.param("T cells are found in the anorectum.", "anorectum", id="place"),
        pytest.param("These 20 cells are T cells.", "20", id="number"),
    ],
)
def test_sentences_that_contradict_the_evidence(sentence, fault):
    assert fault in known().faults(sentence)


@pytest.mark.parametrize(
    ("label", "sentence", "faults"),
    [
        pytest.param(
            "monocyte",
            "A monocyte that is located in the anorectum.",
            ["located", "anorectum"],
            id="place",
        ),
        pytest.param(
            "T cell",
            "They express T cell subsets allow for the high-resistance barrier of urothelium.",
            ["subset", "allow", "resistance", "barrier", "urothelium"],
            id="definition-of-another-cell",
        ),
    ],
)
def test_words_without_a_source(label, sentence, faults):
    assert known(label).faults(sentence) == faults


def test_words_come_from_one_definition_at_a_time():
    evidence = known("monocyte")
    assert evidence.faults("They are recirculating leukocytes.") == []  # of monocytes
    assert evidence.faults("They are capable of ingesting matter.") == []  # of phagocytes
    assert evidence.faults("They are recirculating, capable of ingesting matter.") == [
        "recirculating"
    ]


def test_stated_tissue_may_be_named():
    assert known(tissue="liver").faults("They come from the liver.") == []


def test_negation_inside_a_name():
    evidence = known("CD16-negative, CD56-bright natural killer cell, human")
    assert evidence.faults(f"These cells are best described as {evidence.label}.") == []


def test_small_letter_of_a_name_may_open_a_sentence_as_a_capital():
    evidence = known("preBCR-negative large pre-B-II cell")
    assert evidence.faults("PreBCR-negative large pre-B-II cell: these are cells.") == []


def test_cells_in_definitions_are_no_claim_about_these_cells():
    evidence = known("follicular dendritic cell")
    assert evidence.faults("They can present antigen to B cells.") == []
    assert "b cell" in evidence.faults("These cells are B cells.")


def test_what_the_decoder_is_taught_may_stand():
    from scmmgpt_tl.train.written import write_description

    rng = np.random.default_rng(0)
    for term in ontology.load().ids[::5]:
        text = write_description(term, GENES, "liver", rng).text
        evidence = known(term, tissue="liver")
        assert choose_text([text], evidence) == (" ".join(sentences(text)), True)


def test_user_s_own_label():
    evidence = known("glowing one", description="They glow in the dark on 3 legs.")
    assert evidence.lineage == ("glowing one",)
    assert choose_text(["A glowing one. They glow in the dark."], evidence)[1]
    assert evidence.faults("Glowing ones have 3 legs.") == []
    assert evidence.faults("Glowing ones have 4 legs.") == ["4"]
    assert evidence.faults("These are T cells.") == ["t cell", "t"]


def test_user_s_words_go_with_those_of_the_ontology():
    text = "They are recirculating and glow."
    assert known("monocyte", description="They glow.").faults(text) == []
    assert known("monocyte").faults(text) == ["glow"]


def test_sentences():
    text = "One  cell.\nTwo cells! Two cells! Is it e.g. small? And then it"
    assert sentences(text) == ["One cell.", "Two cells!", "Is it e.g. small?"]
    assert sentences("no end") == []


def test_first_whole_candidate_wins():
    wrong = f"{TRUE} They express CD19."
    assert choose_text([wrong, TRUE, "T cell."], known()) == (TRUE, True)


def test_sentences_at_fault_are_left_out():
    candidates = ["B cell.", f"{TRUE} They express CD19.", f"{TRUE} They express CD3D. Not so."]
    assert choose_text(candidates, known()) == (f"{TRUE} They express CD3D.", False)


def test_text_must_say_what_the_cells_are():
    assert choose_text(["They express CD3D.", "They are lymphocytes."], known()) == ("", False)


def test_evidence_text_stands():
    evidence = known()
    text = evidence_text(evidence)
    assert text == (
        "These cells are best described as T cell, a kind of lymphocyte. "
        "They express CD3D, CD3E and HLA-DRA."
    )
    assert choose_text([text], evidence) == (text, True)
    assert evidence_text(known(genes=())) == TRUE
    assert evidence_text(known("cell")) == "The evidence does not single out a type of cell."


def test_mentions_are_as_long_as_can_be():
    text = "A CD4-positive, alpha-beta T cell, unlike neurons or a pan."
    found = [mention.phrase for mention in find_mentions(text, ontology.load())]
    assert found == ["cd4 positive alpha beta t cell", "neuron"]
