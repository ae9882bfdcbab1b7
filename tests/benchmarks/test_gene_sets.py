from __future__ import annotations

import gzip
import json

import gene_sets
import numpy as np
import pandas as pd
import pytest
from _gene_ontology import Terms, halves, read_terms, telling_words, written

from scmmgpt_tl.model.genes import GeneTable


def test_terms_of_the_right_size(go_folder, tiny_model):
    terms = read_terms(go_folder, tiny_model.genes, n_terms=5, seed=0)
    assert sorted(terms.names) == ["first glowing", "second fading"]
    first = terms.genes[terms.names.index("first glowing")]
    assert np.flatnonzero(first).tolist() == list(range(12))


def test_missing_tables(tmp_path):
    with pytest.raises(SystemExit, match=r"holds no org.Hs.eg.sqlite. Unpack"):
        read_terms(tmp_path, GeneTable((), (), ()), n_terms=1, seed=0)


def test_what_is_written():
    assert telling_words("Regulation of T cell Killing") == {"killing"}
    terms = Terms(("cell killing",), np.array([[True, True, False, True]]))
    texts = {0: "A: involved in killing.", 1: "B: cell growth.", 2: "C: killing."}
    assert written(terms, texts).tolist() == [[True, False, False, False]]


def test_halves_are_all_and_apart():
    asked, sought = halves(list(range(11)), np.random.default_rng(0))
    assert len(asked) == 5
    assert sorted([*asked, *sought]) == list(range(11))


def test_right_order_scores_one_and_unwritten_leaves_out(tiny_model):
    truth = np.zeros((1, 20), dtype=bool)
    truth[0, :6] = True
    scores = -np.arange(20.0)[None]
    scores[0, 5] = -30
    seen = np.zeros_like(truth)
    seen[0, 5] = True
    (row,) = gene_sets.by_text({"x": scores}, Terms(("a",), truth), seen, pool=np.arange(20))
    assert row["auroc_unwritten"] == 1
    assert row["auroc"] == pytest.approx(1 - 14 / (6 * 14))
    assert row["precision"] == 0.5


def test_few_right_ones_have_no_score():
    assert np.isnan(gene_sets.auroc(np.array([True] * 4 + [False] * 9), np.arange(13.0)))


def test_gene_sets_runs(
    options, bench_folder, go_folder, sentences_folder, tiny_model, monkeypatch, shared_profile
):
    from scmmgpt_tl.model.gene_texts import GeneTexts, read_states

    symbols = tiny_model.genes.symbols
    texts = bench_folder / "texts.jsonl.gz"
    with gzip.open(texts, "wt", encoding="utf-8") as file:
        for symbol in symbols:
            file.write(
                json.dumps({"symbol": symbol, "text": f"{symbol}: glowing {symbol}."}) + "\n"
            )
    states = read_states(tiny_model, list(symbols))
    own = GeneTexts.of(states, np.arange(len(symbols)), n_genes=len(symbols), n_axes=4)
    own = GeneTexts(own.genes, own.axes, own.centre, tiny_model.sha256)
    monkeypatch.setattr("scmmgpt_tl.model.gene_texts.shipped_gene_texts", lambda: own)
    # The tiny decoder says the same of all genes, which makes no set.
    monkeypatch.setattr(
        "_score_types.get.genes_of", lambda *_, **__: pd.DataFrame({"gene": ["LYZ"]})
    )
    monkeypatch.setattr(
        "scmmgpt_tl.tl._genes.gene_sets._of_text", lambda *_: {"CD3E": 1.0, "LYZ": 0.5}
    )
    markers = bench_folder / "markers.csv"
    genes = {"CL:0000084": ["CD3D", "CD3E", "CD3G", "IL7R", "TRAC"]}
    rows = [("Human", key, gene, "positive", "PanglaoDB") for key, g in genes.items() for gene in g]
    columns = ["species", "cell_type_id", "marker", "marker_type", "resource"]
    pd.DataFrame(rows, columns=columns).to_csv(markers, index=False)
    more = {"--go": go_folder, "--gene-text": texts, "--markers": markers}
    more |= {"--sentences": sentences_folder, "--profiles": shared_profile}
    gene_sets.main([*options, *(str(part) for pair in more.items() for part in pair)])
    found = pd.read_csv(bench_folder / "out" / "gene_sets.csv")
    assert found.groupby("task")["method"].nunique().to_dict() == {
        gene_sets.BY_TEXT: 4,
        gene_sets.BY_HALF: 6,
        gene_sets.OF_CELLS: 6,
    }
    cells = found[found["task"] == gene_sets.OF_CELLS].set_index("method")["auroc"]
    assert cells["markers"] == 1
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "old gene_sets" not in page
    assert "| tiny_study | 1 | 1.000 |" in page


@pytest.fixture
def shared_profile(shared_data):
    return shared_data / "profiles" / "human_protein_atlas.h5ad"
