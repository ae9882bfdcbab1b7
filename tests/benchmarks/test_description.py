from __future__ import annotations

from importlib.util import find_spec

import description
import pandas as pd
import pytest
from _likeness import bleu, meteor, rouge
from _statements import read_statements
from _wordnet import open_wordnet

from scmmgpt_tl import ontology

needs_scores = pytest.mark.skipif(
    not (find_spec("sacrebleu") and find_spec("rouge_score")), reason="no sacrebleu, no rouge-score"
)
T_CELL = "CL:0000084"


@pytest.mark.parametrize(
    ("text", "named", "true", "false", "contradicting"),
    [
        pytest.param("These are T cells.", True, True, (), (), id="type"),
        pytest.param("These are lymphocytes.", False, True, (), (), id="above"),
        pytest.param("These are cells.", False, False, (), (), id="trivial"),
        pytest.param("Lymphocytes, maybe B cells.", False, True, ("b cell",), ("b cell",), id="no"),
        pytest.param(
            "T cells: cytotoxic T cells.", True, True, ("cytotoxic t cell",), (), id="fine"
        ),
    ],
)
def test_statements_are_held_against_the_ontology(text, named, true, false, contradicting):
    found = read_statements(text, T_CELL)
    assert (found.names_type, found.names_true) == (named, true)
    assert (found.false, found.contradicting) == (false, contradicting)


@pytest.mark.parametrize("term", ["CL:0000624", "CL:0000860", "CL:0000182", "CL:0002357"])
def test_what_the_ontology_says_of_a_type_is_true(term):
    cl = ontology.load()
    assert description.judge(f"{cl.name(term)}: {cl.definition(term)}", term)["true"]


def test_a_template_says_what_the_label_is():
    assert description.fill_template("T cell", T_CELL).startswith("T cell: A type of lymphocyte")
    assert description.fill_template("unknown", "") == "These cells are unknown."


@needs_scores
def test_likeness_is_one_for_the_same_text_and_less_for_another():
    texts = ["a cell of the blood that eats", "a cell that sleeps all day long"]
    same, other = bleu(texts, texts), bleu(texts, texts[::-1])
    assert same == {"bleu_2": pytest.approx(1), "bleu_4": pytest.approx(1)}
    assert 0 <= other["bleu_4"] < other["bleu_2"] < 1
    assert set(rouge(texts, texts).values()) == {1.0}
    # Of "the cat" and "the dog sat": one word of two, and of three.
    assert rouge(["the cat"], ["the dog sat"])["rouge_1"] == pytest.approx(2 * 1 / (2 + 3))


@pytest.fixture
def wordnet_folder(tmp_path):
    """A database of WordNet that knows one thing, by two names."""
    thing = "00000000 06 n 02 car 0 auto 0 000 | drives  \n"
    files = {"data.noun": thing} | {
        "index.noun": "".join(f"{name} n 1 0 1 0 00000000  \n" for name in ("auto", "car"))
    }
    for kind in ("adj", "adv", "noun", "verb"):
        for name in (f"data.{kind}", f"index.{kind}", f"{kind}.exc"):
            (tmp_path / name).write_text(files.get(name, ""), encoding="utf-8")
    return tmp_path


@needs_scores
def test_meteor_knows_words_that_mean_the_same(wordnet_folder):
    with open_wordnet(wordnet_folder) as wordnet:
        same = meteor(["the red auto"], ["the red car"], wordnet=wordnet)
        other = meteor(["the red bus"], ["the red car"], wordnet=wordnet)
    # Of three words all are found, in one piece, and two.
    assert same["meteor"] == pytest.approx(1 - 0.5 * (1 / 3) ** 3)
    assert other["meteor"] == pytest.approx(2 / 3 * (1 - 0.5 * (1 / 2) ** 3))


@needs_scores
def test_descriptions_run(options, bench_folder, sentences_folder, wordnet_folder):
    folders = ["--sentences", str(sentences_folder), "--wordnet", str(wordnet_folder)]
    description.main([*options, *folders])
    found = pd.read_csv(bench_folder / "out" / "description.csv")
    # Two of three types have a term.
    assert found.groupby("method").size().to_dict() == dict.fromkeys(description.NAMES, 2)
    assert (found["text"].str.len() > 10).all()
    means = pd.read_csv(bench_folder / "out" / "description_means.csv").set_index("method")
    assert means["cosine"].between(-1, 1.0001).all()
    assert means["meteor"].between(0, 1).all()
    assert means.loc["scmmgpt", "true"] == found[found["method"] == "scmmgpt"]["true"].mean()
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "old description" not in page
