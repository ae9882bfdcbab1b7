"""Scoring gene sets of files."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pandas as pd
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl.cli import main
from scmmgpt_tl.cli._score_gene_sets import read_sets


def test_it_does_what_the_tool_does(
    cells, counts_adata, tiny_model, model_options, tmp_path, capsys
):
    sets, out = tmp_path / "sets.json", tmp_path / "out.h5ad"
    given = {"T": ["CD3D", "CD3E"], "B": {"MS4A1": 1, "CD3E": -1}}
    sets.write_text(json.dumps(given))
    words = ["score-gene-sets", cells, "--sets", sets, "-o", out]
    words += ["--csv", tmp_path / "scores.csv", "--n-genes", 5]
    assert main([*map(str, words), *model_options]) == 0
    scmm.tl.score_gene_sets(counts_adata, given, n_genes=5, model=tiny_model)
    expected = counts_adata.obsm["scmm_gene_sets"]
    found = anndata.read_h5ad(out)
    np.testing.assert_allclose(found.obsm["scmm_gene_sets"], expected)
    table = pd.read_csv(tmp_path / "scores.csv", index_col=0)
    np.testing.assert_allclose(table, expected, rtol=1e-4, atol=1e-5)
    told = capsys.readouterr().out
    assert "60 cells scored in" in told
    assert "median score" in told


def test_scores_go_beside_the_input(cells, model_options, capsys, tmp_path):
    sets = tmp_path / "sets.json"
    sets.write_text(json.dumps({"B": ["MS4A1", "CD19"]}))
    words = ["score-gene-sets", str(cells), "--sets", str(sets), *model_options]
    assert main([*words, "--shard", "1/1"]) == 0
    found = anndata.read_h5ad(cells.with_name("cells.scmm.h5ad"))
    assert found.obsm["scmm_gene_sets"].columns.tolist() == ["B"]
    assert main(words) == 0
    assert "median score" in capsys.readouterr().out


def test_gmt(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text("T\thttp://x\tCD3D\tCD3E\t\n\nB\tna\tMS4A1\n")
    assert read_sets(path) == {"T": ["CD3D", "CD3E"], "B": ["MS4A1"]}


@pytest.mark.parametrize(
    ("content", "match"), [("{", "is no valid JSON"), ("[1]", "must hold an object")]
)
def test_other_files(tmp_path, content, match):
    path = tmp_path / "sets.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=match):
        read_sets(path)


def test_texts_are_sets(cells, tmp_path):
    out = tmp_path / "out.h5ad"
    words = ["score-gene-sets", str(cells), "B cell", "antigen presentation", "-o", str(out)]
    # The file has 300 genes: of the first few of a text it may have none.
    assert main([*words, "--n-genes", "100", "--device", "cpu", "--quiet"]) == 0
    found = anndata.read_h5ad(out).obsm["scmm_gene_sets"]
    assert found.columns.tolist() == ["B cell", "antigen presentation"]
