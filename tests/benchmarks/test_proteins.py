from __future__ import annotations

import _gates
import numpy as np
import pandas as pd
import proteins
import pytest

ALONE = proteins.read_arguments(["--alike"])
pytestmark = pytest.mark.filterwarnings("ignore:The Cell Ontology has no")


@pytest.fixture
def cite_file(bench_folder, cite_adata):
    """Cells whose proteins are known, as a data set of the benchmark."""
    frame = cite_adata.obsm["protein_expression"]
    low = np.random.default_rng(0).poisson(5, size=60)
    cite_adata.obsm["protein_expression"] = frame.assign(CD56=low, CD28=frame["CD4_TotalSeqB"])
    cells = cite_adata[:, :].copy()
    path = bench_folder / "data" / "cite_tiny.h5ad"
    del cells.uns, cells.obsm["scmm_cell_type_scores"]
    cells.write_h5ad(path)
    return path


def test_gates(cite_file):
    cells = proteins.read_cells(cite_file, max_cells=60, seed=0)
    positive = _gates.gate_positive(cells.obsm[proteins.CELLS])
    assert not positive["CD56"].any()
    cluster = cells.obs["cluster"].astype(str).to_numpy()
    lineage = _gates.gate(positive, _gates.LINEAGES)
    named = pd.Series(lineage).map({"T": "T", "B": "B", "monocyte": "mono"}).to_numpy()
    assert (named == cluster).all()
    by_cd8 = _gates.gate(positive, proteins.QUESTIONS[1].gates)
    assert (by_cd8[10:20] == "CD8 T").all()
    assert (by_cd8[:10] == "CD4 T").all()
    assert (by_cd8[20:] == "").all()


def test_rna_in_the_place_of_proteins(cite_file):
    cells = proteins.read_cells(cite_file, max_cells=60, seed=0)
    found = proteins.rna_of(cells, ["CD3", "CD19", "CD3"])
    assert list(found) == ["CD3", "CD19"]
    counts = cells[:, ["CD3D", "CD3E", "CD3G"]].X.sum(1).A1
    total = cells.X.sum(1).A1
    np.testing.assert_allclose(found["CD3"], np.log1p(1e4 * counts / total), rtol=1e-5)


def test_hidden_proteins_are_not_heard(cite_file, tiny_model, monkeypatch):
    heard = []

    def listen(adata, truth, *, source, **more):
        heard.append((source, set(_gates.proteins_of(adata.obsm[source].columns).values())))
        return {}

    monkeypatch.setattr(proteins, "ask", listen)
    cells = proteins.read_cells(cite_file, max_cells=60, seed=0)
    proteins.compare("tiny", cells, tiny_model, given=ALONE)
    questions = [question for question in proteins.QUESTIONS for _ in proteins.SOURCES]
    for (source, names), question in zip(heard, questions, strict=True):
        assert bool(set(question.hidden) & names) == (source == "all")


def test_without_cd3_other_questions_are_asked(cite_file, tiny_model):
    cells = proteins.read_cells(cite_file, max_cells=60, seed=0)
    frame = cells.obsm[proteins.CELLS]
    cells.obsm[proteins.CELLS] = frame.drop(columns="CD3_TotalSeqB").assign(CD3=frame["CD56"])
    assert proteins.compare("tiny", cells, tiny_model, given=ALONE) == []
    cells.obsm[proteins.CELLS]["CD5"] = frame["CD3_TotalSeqB"]
    rows = proteins.compare("tiny", cells, tiny_model, given=ALONE)
    assert {row["question"] for row in rows} == {q.name for q in proteins.QUESTIONS[1:]}
    assert all(row["gated"] == 20 for row in rows)


def test_whole_run(options, cite_file, bench_folder):
    pytest.importorskip("scvi", exc_type=ImportError)
    proteins.main([*options, "--only", "cite_", "--epochs", "2"])
    rows = pd.read_csv(bench_folder / "out" / "proteins.csv")
    assert list(rows["source"].unique()) == [*proteins.SOURCES, *proteins.ALIKE]
    alike = rows["source"].isin(list(proteins.ALIKE))
    assert rows.loc[alike, ["found", "false_alarms"]].isna().all(axis=None)
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "| **all together** | cells alike by RNA and other proteins (totalVI, refine) |" in page
    rows = rows[~alike]
    assert (rows["right_rna"] + rows["conflicts"] == rows["gated"]).all()
    assert (rows["found"] <= rows["conflicts"]).all()
    whole = rows[(rows["source"] == "all") & (rows["question"] != "lineage")]
    assert (whole["right_joint"] > whole["right_rna"]).all()
    assert (whole["found"] == whole["conflicts"]).all()
    page = (bench_folder / "docs" / "benchmarks.md").read_text()
    assert "| cite_tiny | all proteins | 60 |" in page
    assert "old proteins" not in page
    assert "old refine" in page
