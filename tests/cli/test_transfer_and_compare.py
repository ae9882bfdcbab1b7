"""Commands that take labels from another file, and that compare two groups."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl import _files
from scmmgpt_tl.cli import main

TYPES = {"T": "T cell", "B": "B cell", "mono": "monocyte"}


@pytest.fixture
def run(model_options, tmp_path):
    """Run a command on the tiny model and read what it wrote."""

    def run_(*words: object):
        path = tmp_path / "out.h5ad"
        assert main([*map(str, words), "-o", str(path), *model_options]) == 0
        return _files.read(path)

    return run_


@pytest.fixture
def reference(counts_adata, tmp_path):
    known = counts_adata[::2].copy()
    known.obs["type"] = known.obs["cluster"].astype(str).map(TYPES)
    path = tmp_path / "reference.h5ad"
    known.write_h5ad(path)
    return path


def test_label_transfer(run, cells, reference, tiny_model, counts_adata, tmp_path, capsys):
    found = run(
        "label-transfer",
        cells,
        reference,
        *("--labels-key", "type", "--threshold", "0", "--text-weight", "0.2"),
        *("--reference-counts", "raw", "--csv", tmp_path / "labels.csv"),
    )
    scmm.tl.label_transfer(
        counts_adata,
        _files.read(reference),
        "type",
        threshold=0.0,
        text_weight=0.2,
        model=tiny_model,
    )
    labels = counts_adata.obs["scmm_transferred"].astype(object)
    assert found.obs["scmm_transferred"].astype(object).equals(labels)
    assert found.uns["scmm_transferred"]["params"]["reference_counts"] == "raw"
    assert "60 cells labelled in" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "labels.csv", index_col=0)
    assert list(table["label"]) == list(labels)


def test_label_transfer_without_that_column(cells, reference, model_options, tmp_path, capsys):
    words = ["label-transfer", cells, reference, "--labels-key", "x", "-o", tmp_path / "o.h5ad"]
    assert main([*map(str, words), *model_options]) != 0
    assert "Did not find reference.obs['x']" in capsys.readouterr().err
    assert not (tmp_path / "o.h5ad").exists()


def test_compare(run, cells, tiny_model, counts_adata, tmp_path, capsys):
    sets = tmp_path / "sets.json"
    sets.write_text(json.dumps({"receptor": ["CD3D", "CD3E", "CD3G"]}))
    found = run(
        "compare",
        cells,
        *("--groupby", "cluster", "--a", "T", "--b", "B,mono", "--terms", "T cell,B cell"),
        *("--gene-sets", sets, "--csv", tmp_path / "account.csv"),
    )
    scmm.tl.compare(
        counts_adata,
        "T",
        ["B", "mono"],
        groupby="cluster",
        terms=["T cell", "B cell"],
        gene_sets={"receptor": ["CD3D", "CD3E", "CD3G"]},
        model=tiny_model,
    )
    record = counts_adata.uns["scmm_comparison"]
    assert found.uns["scmm_comparison"]["account"] == record["account"]
    out = " ".join(capsys.readouterr().out.split())
    assert "60 cells compared in" in out
    assert all(" ".join(text.split()) in out for text in record["statements"]["sentence"])
    table = pd.read_csv(tmp_path / "account.csv", index_col=0)
    assert list(table["sentence"]) == list(record["statements"]["sentence"])
