"""What is in a file, and does it fit?"""

from __future__ import annotations

import shlex
import shutil

import anndata
import numpy as np
import pandas as pd
import pytest

from scmmgpt_tl import _files
from scmmgpt_tl.cli import main


@pytest.fixture
def info(tiny_bundle, capsys):
    """Run `scmm info` and give its exit code and what it printed."""

    def info_(*words: object) -> tuple[int, str]:
        code = main(["info", *map(str, words), "--model", str(tiny_bundle)])
        return code, capsys.readouterr().out

    return info_


def test_file_that_fits(info, cells):
    code, out = info(cells)
    assert code == 0
    for part in ("60 cells x 303 genes", "float32 csr", "cluster", "X_umap", "X holds counts"):
        assert part in out
    assert "300 of 303 genes matched" in " ".join(out.split())
    assert "fits the model" in out


def test_what_it_says_can_be_run(info, cells, monkeypatch):
    _, out = info(cells)
    command = shlex.split(out.split("to go on:")[1])
    assert command[:2] == ["scmm", "annotate"]
    monkeypatch.chdir(cells.parent)
    assert main([*command[1:], "--quiet", "--device", "cpu"]) == 0
    assert (cells.parent / "cells.annotated.h5ad").exists()


@pytest.fixture
def lognorm(counts_adata, tmp_path):
    counts = counts_adata.X.toarray()
    counts_adata.X = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)
    path = tmp_path / "lognorm.zarr"
    _files.write(counts_adata, path)
    return path


def test_lognorm_does_not_fit_but_would(info, lognorm):
    code, out = info(lognorm)
    assert code == 1
    assert "does not fit the model" in out
    assert "--counts lognorm" in out.split("it would with:")[1]
    code, out = info(lognorm, "--counts", "lognorm")
    assert code == 0


def test_counts_in_another_layer(info, counts_adata, tmp_path):
    counts_adata.layers["umi"] = counts_adata.X.copy()
    counts_adata.X = counts_adata.X.toarray() - np.float32(1)
    counts_adata.write_h5ad(tmp_path / "scaled.h5ad")
    code, out = info(tmp_path / "scaled.h5ad")
    assert code == 1
    assert "--layer umi" in out


def test_other_genes(info, counts_adata, tmp_path):
    counts_adata.var_names = [f"peak{i}" for i in range(counts_adata.n_vars)]
    del counts_adata.var["gene_ids"]
    counts_adata.write_h5ad(tmp_path / "peaks.h5ad")
    code, out = info(tmp_path / "peaks.h5ad")
    assert code == 1
    assert "peak0" in out
    assert "it would with" not in out


def test_modalities(info, counts_adata, tmp_path):
    pytest.importorskip("mudata")
    protein = anndata.AnnData(np.ones((60, 3)), obs=pd.DataFrame(index=counts_adata.obs_names))
    with _files._mudata() as mudata:
        data = mudata.MuData({"rna": counts_adata, "prot": protein})
    _files.write(data, tmp_path / "cells.h5mu")
    code, out = info(tmp_path / "cells.h5mu")
    assert code == 0
    assert "rna (60 x 303), prot (60 x 3)" in out


def test_model(info, tiny_model):
    code, out = info()
    assert code == 0
    assert f"tiny r1 ({tiny_model.licence})" in out
    assert tiny_model.sha256 in out
    assert "12 with a Cell Ontology id" in out
    assert "blood, liver" in out


def test_published_encoder(scgpt_folder, capsys):
    assert main(["info", str(scgpt_folder)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for part in (
        "scGPT, a published cell encoder (kind scgpt)",
        "MIT is the licence of scGPT's code",
        "300, 300 with an Ensembl id",
        "2 layers, width 16, 2 heads",
        "303 tokens",
        "masked expression decoder",
        "commands embed",
        "it has no text side",
        "obsm['X_scgpt']",
    ):
        assert part in out


def test_bundle_folder(tiny_bundle, capsys):
    assert main(["info", str(tiny_bundle)]) == 0
    assert "12 with a Cell Ontology id" in capsys.readouterr().out


def test_almost_an_encoder(scgpt_folder, tmp_path, capsys):
    folder = tmp_path / "scgpt"
    shutil.copytree(scgpt_folder, folder)
    (folder / "vocab.json").unlink()
    assert main(["info", str(folder)]) == 2
    assert "looks like scGPT, but lacks vocab.json" in " ".join(capsys.readouterr().err.split())


def test_a_file_that_fits_an_encoder_is_embedded_next(cells, scgpt_folder, capsys, monkeypatch):
    assert main(["info", str(cells), "--model", str(scgpt_folder)]) == 0
    command = shlex.split(capsys.readouterr().out.split("to go on:")[1])
    assert command[:2] == ["scmm", "embed"]
    monkeypatch.chdir(cells.parent)
    assert main([*command[1:], "--quiet", "--device", "cpu"]) == 0
    written = anndata.read_h5ad(cells.parent / "cells.embedded.h5ad")
    assert "X_scgpt" in written.obsm


def test_missing_file(capsys):
    assert main(["info", "nowhere.h5ad"]) == 2
    assert "There is no file" in capsys.readouterr().err


def test_species_is_told_and_can_be_given(info, cells, tmp_path):
    adata = anndata.read_h5ad(cells)
    adata.var = pd.DataFrame(index=[f"mm10___{name}" for name in adata.var_names])
    adata.write_h5ad(tmp_path / "prefixed.h5ad")
    assert "species: mouse" in info(tmp_path / "prefixed.h5ad")[1]
    code, out = info(tmp_path / "prefixed.h5ad", "--species", "human")
    assert (code, "species: human" in out) == (1, False)
    code, out = info(cells, "--species", "human")
    assert (code, "species: human" in out) == (0, True)
    assert "--species human" in out.split("to go on:")[1]
