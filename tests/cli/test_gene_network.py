"""Tying genes of files."""

from __future__ import annotations

import anndata
import pandas as pd

import scmmgpt_tl as scmm
from scmmgpt_tl.cli import main


def test_it_does_what_the_tool_does(counts_adata, tiny_model, model_options, tmp_path, capsys):
    scmm.tl.annotate(counts_adata, ["T cell", "B cell"], model=tiny_model, threshold=0.0)
    counts_adata.write_h5ad(tmp_path / "cells.h5ad")
    words = ["gene-network", tmp_path / "cells.h5ad", "-o", tmp_path / "out.h5ad"]
    words += ["--groupby", "cluster", "--label", "T cell", "--max-cells", 10]
    words += ["--n-genes", 12, "--n-edges", 5, "--csv", tmp_path / "ties.csv"]
    assert main([*map(str, words), *model_options]) == 0
    options = {"label": "T cell", "max_cells": 10, "n_genes": 12, "n_edges": 5}
    scmm.tl.gene_network(counts_adata, "cluster", model=tiny_model, **options)
    expected = scmm.get.gene_network_df(counts_adata)
    found = scmm.get.gene_network_df(anndata.read_h5ad(tmp_path / "out.h5ad"))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    written = pd.read_csv(tmp_path / "ties.csv", index_col=0)
    assert written["other"].tolist() == expected["other"].tolist()
    told = capsys.readouterr().out
    assert "looked through in" in told
    assert "T: T cell against B cell, 5 ties" in told
