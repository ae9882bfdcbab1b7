from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import retrieval
from _data import Query, Study
from _ranks import first_ranks, recall_and_mrr
from _sentences import SentenceEncoder, cell_sentences
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.genes import GeneTable

T_CELL, CD4, B_CELL, HEPATOCYTE = "CL:0000084", "CL:0000624", "CL:0000236", "CL:0000182"


def test_the_first_right_item_counts_and_equals_share_their_ranks():
    scores = np.array([[0.9, 0.5, 0.1], [0.2, 0.2, 0.2]])
    right = np.array([[False, True, True], [True, False, False]])
    assert first_ranks(scores, right).tolist() == [2, 2]
    with pytest.raises(ValueError, match="needs an item that is right"):
        first_ranks(scores, np.zeros_like(right))


def test_recall_and_reciprocal_rank():
    found = recall_and_mrr(np.array([1.0, 2, 6, 20]))
    assert [found[f"recall_{k}"] for k in (1, 5, 10)] == [0.25, 0.5, 0.75]
    assert found["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 6 + 1 / 20) / 4)


def test_cells_and_texts_find_each_other():
    gallery = sorted([T_CELL, CD4, B_CELL, HEPATOCYTE])
    study = Study(
        name="four",
        adata=None,
        n_labelled=4,
        counts="auto",
        labels=("B", "CD4", "T", "odd"),
        cl_ids=(B_CELL, CD4, T_CELL, ""),
        asked=("", "", "", ""),
        truth=np.array([0, 1, 2, 3]),
        made=np.full(4, ""),
    )
    place = {term: i for i, term in enumerate(gallery)}
    scores = np.zeros((4, 4))
    scores[0, place[B_CELL]] = 1  # the B cell finds its text
    scores[1, place[T_CELL]] = 1  # the CD4 cell finds the text of T cells before its own
    scores[1, place[CD4]] = 0.5
    scores[2, place[B_CELL]] = 0.4  # the T cell prefers B cell over T cell
    scores[2, place[T_CELL]] = 0.3
    scores[3] = 2  # a cell without a term asks nothing, and is nobody's answer
    found = {row["direction"]: row for row in retrieval.score_study(study, scores, gallery, seed=0)}
    assert found[retrieval.TO_TEXT]["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert found[retrieval.TO_CONSISTENT]["mrr"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    # "T cell" is found by the CD4 cell, which is one.
    assert found[retrieval.TO_CELL]["recall_1"] == 1


def test_sentences_name_the_strongest_genes_first():
    genes = GeneTable(("A", "B", "C"), ("E1", "E2", "E3"), aliases=((),) * 3)
    counts = csr_matrix(np.array([[1.0, 0, 5], [2, 3, 9]]))
    query = Query(counts, np.array([True, True, False]))
    assert cell_sentences(query, genes) == ["A", "B A"]


def test_a_text_has_one_vector_whatever_stands_beside_it(sentences_folder):
    encoder = SentenceEncoder(sentences_folder)
    alone, beside = encoder.embed(["ab"]), encoder.embed(["ab", "a b c d e f"])
    np.testing.assert_allclose(alone[0], beside[0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(beside, axis=1), 1, rtol=1e-5)
    mean = beside.sum(0) / np.linalg.norm(beside.sum(0))
    np.testing.assert_allclose(encoder.embed_wordings([("ab", "a b c d e f")])[0], mean, atol=1e-6)


def test_a_folder_without_an_encoder_is_said_to_be_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no sentence encoder"):
        SentenceEncoder(tmp_path)


def test_retrieval_runs(options, bench_folder, sentences_folder):
    retrieval.main([*options, "--sentences", str(sentences_folder)])
    found = pd.read_csv(bench_folder / "out" / "retrieval.csv")
    assert len(found) == 2 * 3
    queries = found.set_index(["method", "direction"])["queries"]
    assert queries["scmmgpt"].tolist() == [2, 40, 40]
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "old retrieval" not in page
    assert "| tiny_study | cell to text | MiniLM sentences | 40 |" in page
    assert (bench_folder / "docs" / "_static" / retrieval.PICTURE).stat().st_size > 5_000
