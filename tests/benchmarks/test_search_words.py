from __future__ import annotations

import numpy as np
import pandas as pd
import search_words
from _data import read_study


def test_rare_types_are_not_searched_for(bench_folder, monkeypatch):
    study = read_study(bench_folder / "data" / "tiny_study.h5ad", max_cells=60, seed=0)
    # The third label has no id.
    found = dict(search_words.types_of(study))
    assert {term: cells.sum() for term, cells in found.items()} == {
        "CL:0000084": 20,
        "CL:0000236": 20,
    }
    monkeypatch.setattr(search_words, "FEWEST_CELLS", 21)
    assert not list(search_words.types_of(study))


def test_words_of_the_name_are_known_and_left_out(bench_folder, tiny_model, monkeypatch):
    study = read_study(bench_folder / "data" / "tiny_study.h5ad", max_cells=60, seed=0)
    asked = []

    def pulls(_, query, __):
        return np.array([float(word == "B") for word in query.split()])

    def scores(_, texts, *, model):
        asked.extend(text for (text,) in texts)
        # Each text but the second finds the type.
        found = np.tile(study.terms() == "CL:0000236", (len(texts), 1)).T.astype(float)
        found[:, 1] = 0
        return found

    monkeypatch.setattr(search_words, "explain", pulls)
    monkeypatch.setattr(search_words, "by_model", scores)
    rows = pd.DataFrame(search_words.compare(study, tiny_model, seed=0))
    b_cells = rows[rows["query"].str.contains("B cell")]
    assert b_cells["strongest_is_of_name"].all()
    assert (b_cells["of_name"] == 2).all()
    assert b_cells["words"].tolist() == [9, 11]
    assert (b_cells["nothing"] == 1).all()
    assert (b_cells["strongest"] == 0.5).all()
    assert "show me every cell of this sample please" in asked


def test_run(options, bench_folder):
    search_words.main([*options, "--max-cells", "60"])
    rows = pd.read_csv(bench_folder / "out" / "search_words.csv")
    assert len(rows) == 2 * len(search_words.SENTENCES)
    assert rows["name_above_others"].between(0, 1).all()
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "4 searches for 2 types." in page
    assert f"| {rows['nothing'].mean():.3f} (" in page
    assert rows["of_name"].sum() == 8
