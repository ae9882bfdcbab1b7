"""The tools on files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

import scmmgpt_tl as scmm
from scmmgpt_tl import _files
from scmmgpt_tl.cli import main
from scmmgpt_tl.cli._read_labels import read_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "scmm_cell_type"


@pytest.fixture
def run(model_options, tmp_path):
    """Run a command on the tiny model and read what it wrote."""

    def run_(*words: object, out: str = "out.h5ad") -> anndata.AnnData:
        path = tmp_path / out
        command, *rest = [str(word) for word in words]
        assert main([command, *rest, "-o", str(path), *model_options]) == 0
        return _files.read(path)

    return run_


def test_annotate_does_what_the_tool_does(run, cells, tiny_model, counts_adata, capsys):
    found = run("annotate", cells)
    scmm.tl.annotate(counts_adata, model=tiny_model)
    # What is read back has the texts of the installed pandas.
    assert found.obs[KEY].astype(object).equals(counts_adata.obs[KEY].astype(object))
    np.testing.assert_allclose(found.obs[f"{KEY}_score"], counts_adata.obs[f"{KEY}_score"])
    out = capsys.readouterr().out
    assert "60 cells annotated in" in out
    assert "cells/s, cpu" in out
    assert "unknown: " in out
    for label, n in counts_adata.obs[KEY].value_counts().drop("unknown", errors="ignore").items():
        assert f"{label} " in out or n == 0


def test_input_file_is_left_alone(run, cells):
    before = cells.read_bytes()
    run("annotate", cells)
    assert cells.read_bytes() == before


def test_annotate_with_everything(run, cells, tmp_path):
    found = run(
        "annotate",
        cells,
        *("--labels", 'B cell, "CD4-positive, alpha-beta T cell",CL:0000860'),
        *("--groupby", "cluster", "--threshold", "0.2", "--batch-size", "7", "--counts", "raw"),
        *("--gene-symbols", "gene_ids", "--layer", "X", "--key-added", "type"),
        *("--csv", tmp_path / "types.csv"),
    )
    params = found.uns["type"]["params"]
    assert list(params["labels"])[:2] == ["B cell", "CD4-positive, alpha-beta T cell"]
    assert params["groupby"] == "cluster"
    assert params["threshold"] == pytest.approx(0.2)
    assert found.uns["type"]["genes"]["source"] == "gene_ids"
    assert set(found.uns["type"]["groups"]["group"]) == {"T", "B", "mono"}
    table = pd.read_csv(tmp_path / "types.csv", index_col=0)
    assert list(table.index) == list(found.obs_names)
    assert list(table["label"]) == list(found.obs["type"].astype(str))


@pytest.mark.parametrize(("words", "level"), [(["deepest"], "deepest"), (["T cell,B cell"], None)])
def test_level(run, cells, words, level):
    found = run("annotate", cells, "--level", *words)
    stored = found.uns[KEY]["params"]["level"]
    assert (stored if level else list(stored)) == (level or ["T cell", "B cell"])


def test_tissue(run, cells):
    found = run("annotate", cells, "--tissue", "liver", "--threshold", "0")
    assert not {"platelet", "erythrocyte"} & set(found.obs[KEY])


def test_labels_file(run, cells, tmp_path):
    mine = {"my T": "a lymphocyte with CD3D", "my B": "a lymphocyte with CD79A"}
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(mine))
    found = run("annotate", cells, "--labels-file", path, "--threshold", "0")
    assert set(found.obs[KEY]) <= {"my T", "my B", "unknown"}


def test_labels_from_files(tmp_path):
    text, json_ = tmp_path / "labels.txt", tmp_path / "labels.json"
    text.write_text("T cell\n\n CD4-positive, alpha-beta T cell \n")
    assert read_labels(text) == ["T cell", "CD4-positive, alpha-beta T cell"]
    json_.write_text('["T cell", "B cell"]')
    assert read_labels(json_) == ["T cell", "B cell"]


@pytest.mark.parametrize("content", ["[1, 2]", "[]", '"T cell"', '{"T cell": 1}', "{"])
def test_labels_of_another_form(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"labels.json' (must hold|is no valid JSON)"):
        read_labels(path)


@pytest.fixture
def annotated_cells(counts_adata, tiny_model, tmp_path) -> Path:
    """The sixty cells, annotated as `mine`, some of them known and placed by the user."""
    labels = ["T cell", "B cell", "monocyte"]
    scmm.tl.annotate(counts_adata, labels, model=tiny_model, key_added="mine")
    counts_adata.obs["known"] = ["plasma cell"] * 6 + ["unknown"] * 54
    counts_adata.obsm["X_mine"] = np.random.default_rng(0).normal(size=(60, 3))
    path = tmp_path / "annotated.h5ad"
    counts_adata.write_h5ad(path)
    return path


def test_refine_does_what_the_tool_does(run, annotated_cells, tiny_model, counts_adata, capsys):
    found = run("refine", annotated_cells, "--key", "mine", "--threshold", "0")
    scmm.tl.refine(counts_adata, key="mine", threshold=0.0, model=tiny_model)
    labels, before = (counts_adata.obs[key].astype(object) for key in ("scmm_refined", "mine"))
    assert found.obs["scmm_refined"].astype(object).equals(labels)
    np.testing.assert_allclose(
        found.obs["scmm_refined_score"], counts_adata.obs["scmm_refined_score"]
    )
    out = capsys.readouterr().out
    assert "60 cells refined in" in out
    n = int((labels != before).sum())
    assert n > 0
    assert f"other than mine: {n} cells" in out


def test_refine_with_everything(run, annotated_cells, tmp_path):
    found = run(
        "refine",
        annotated_cells,
        *("--key", "mine", "--labels-key", "known", "--use-rep", "X_mine", "--rounds", "1"),
        *("--level", "deepest", "--threshold", "0.2", "--key-added", "type", "--backed"),
        *("--csv", tmp_path / "types.csv"),
    )
    params = found.uns["type"]["params"]
    assert params["labels_key"] == "known"
    assert params["use_rep"] == "X_mine"
    assert params["n_rounds"] == 1
    assert params["level"] == "deepest"
    assert params["threshold"] == pytest.approx(0.2)
    assert (found.obs["type"].iloc[:6] == "plasma cell").all()
    table = pd.read_csv(tmp_path / "types.csv", index_col=0)
    assert list(table["label"]) == list(found.obs["type"].astype(str))


def test_refine_before_annotate(cells, model_options, tmp_path, capsys):
    path = tmp_path / "out.h5ad"
    assert main(["refine", str(cells), "-o", str(path), *model_options]) == 2
    assert "Run `scmm.tl.annotate` first" in capsys.readouterr().err
    assert not path.exists()


def test_explain_does_what_the_tool_does(
    run, annotated_cells, tiny_model, counts_adata, capsys, tmp_path
):
    options = ("--label", "B cell", "--against", "T cell", "--max-cells", "2", "--n-genes", "3")
    table = tmp_path / "genes.csv"
    found = run("explain", annotated_cells, "--key", "mine", "--csv", table, *options)
    scmm.tl.explain(
        counts_adata,
        key="mine",
        label="B cell",
        against="T cell",
        max_cells=2,
        n_genes=3,
        model=tiny_model,
    )
    genes = scmm.get.explanation_df(counts_adata)
    assert scmm.get.explanation_df(found)["gene"].tolist() == genes["gene"].tolist()
    assert pd.read_csv(table)["gene"].tolist() == genes["gene"].tolist()
    out = capsys.readouterr().out
    first = genes["cell"].iloc[0]
    assert f"{first}: B cell against T cell, log-odds" in out
    assert f"for it: {', '.join(genes['gene'].iloc[:3])}" in out


def test_explain_groups_by_leaving_out(run, annotated_cells):
    found = run(
        "explain",
        annotated_cells,
        *("--key", "mine", "--groupby", "cluster", "--method", "leave_one_out", "--max-cells", "1"),
        *("--label", "T cell", "--key-added", "why", "--batch-size", "1"),
    )
    params = found.uns["why"]["params"]
    assert (params["groupby"], params["method"]) == ("cluster", "leave_one_out")


def test_explain_search_does_what_the_tool_does(run, counts_adata, tiny_model, tmp_path, capsys):
    path, table = tmp_path / "searched.h5ad", tmp_path / "words.csv"
    scmm.tl.search(counts_adata, "killing lymphocyte", model=tiny_model)
    counts_adata.write_h5ad(path)
    run("explain-search", path, "--n-cells", "5", "--csv", table)
    scmm.tl.explain_search(counts_adata, n_cells=5, model=tiny_model)
    words = scmm.get.explanation_df(counts_adata, key="scmm_search_explanation")
    found = pd.read_csv(table)
    assert found["word"].tolist() == words["word"].tolist() == ["killing", "lymphocyte"]
    np.testing.assert_allclose(found["pull"], words["pull"], atol=1e-6)
    assert f"killing     {words['pull'].iloc[0]:.3f}" in capsys.readouterr().out


def test_proteins_does_what_the_tool_does(run, cite_adata, tiny_model, tmp_path, capsys):
    path = tmp_path / "cite.h5ad"
    cite_adata.write_h5ad(path)
    found = run("proteins", path, "--joint", "--csv", tmp_path / "verdicts.csv")
    scmm.tl.proteins(cite_adata, joint=True, model=tiny_model)
    for column in (f"{KEY}_protein", f"{KEY}_protein_joint"):
        assert list(found.obs[column].astype(str)) == list(cite_adata.obs[column].astype(str))
    out = capsys.readouterr().out
    assert "60 cells compared in" in out
    assert "CD4 absent (10); CD8 present (10)" in out
    assert "antibodies of unknown name: Mystery" in out
    table = pd.read_csv(tmp_path / "verdicts.csv", index_col=0)
    assert list(table["verdict"]) == list(found.obs[f"{KEY}_protein"].astype(str))


def test_proteins_of_a_mudata_file(run, cite_adata, tmp_path):
    mudata = pytest.importorskip("mudata")
    counts = cite_adata.obsm.pop("protein_expression")
    cite_adata.obs["sample"] = ["one"] * 60
    surface = anndata.AnnData(
        counts.to_numpy(np.float32),
        obs=pd.DataFrame(index=counts.index),
        var=pd.DataFrame(index=counts.columns),
    )
    path = tmp_path / "cite.h5mu"
    with _files._mudata():
        _files.write(mudata.MuData({"rna": cite_adata, "surface": surface}), path)
        words = "--protein-mod", "surface", "--batch-key", "sample", "--key-added", "mine"
        found = run("proteins", path, *words, "--quiet", out="out.h5mu")
    assert (found["rna"].obs["mine"] == "disagrees").sum() == 10
    assert found["rna"].uns["mine"]["params"]["batch_key"] == "sample"


def test_embed(run, cells, tiny_model, counts_adata):
    found = run("embed", cells)
    scmm.tl.embed(counts_adata, model=tiny_model)
    np.testing.assert_allclose(found.obsm["X_scmm"], counts_adata.obsm["X_scmm"], atol=1e-5)


def test_describe(run, cells, capsys):
    first = run("describe", cells, "--groupby", "cluster", "--seed", "1", out="a.h5ad")
    again = run("describe", cells, "--groupby", "cluster", "--seed", "1", out="b.h5ad")
    texts = first.uns["scmm_description"]["groups"]["description"]
    assert list(texts) == list(again.uns["scmm_description"]["groups"]["description"])
    assert "mono (20 cells)" in capsys.readouterr().out


def test_rank_terms_does_what_the_tool_does(run, cells, counts_adata, tiny_model, capsys, tmp_path):
    options = ["--groupby", "cluster", "--terms", "B cell, T cell", "--csv", tmp_path / "terms.csv"]
    found = run("rank-terms", cells, *options)
    terms = ["B cell", "T cell"]
    scmm.tl.rank_terms(counts_adata, terms, "cluster", model=tiny_model)
    expected = scmm.get.rank_terms_df(counts_adata)
    pd.testing.assert_frame_equal(scmm.get.rank_terms_df(found), expected, check_dtype=False)
    assert pd.read_csv(tmp_path / "terms.csv", index_col=0)["term"].tolist() == list(
        expected["term"]
    )
    out = capsys.readouterr().out
    assert "60 cells compared with texts in" in out
    assert f"{expected['term'][0]} ({expected['score'][0]:.3f})" in out


def test_search(run, cells, capsys, tmp_path):
    found = run("search", cells, "B cell", "--csv", tmp_path / "found.csv")
    assert found.uns["scmm_search"]["params"]["query"] == "B cell"
    out = capsys.readouterr().out
    assert f"{found.obs['scmm_search'].idxmax()} " in out
    table = pd.read_csv(tmp_path / "found.csv", index_col=0)
    np.testing.assert_allclose(table["scmm_search"], found.obs["scmm_search"], rtol=1e-5)


@pytest.mark.parametrize("out", ["out.h5ad", "out.zarr"])
@pytest.mark.parametrize("source", ["in.h5ad", "in.zarr"])
def test_formats(run, counts_adata, tmp_path, source, out):
    _files.write(counts_adata, tmp_path / source)
    found = run("annotate", tmp_path / source, out=out)
    assert KEY in found.obs
    np.testing.assert_array_equal(found.X.toarray(), counts_adata.X.toarray())


def test_backed(run, cells, counts_adata):
    whole, backed = run("annotate", cells), run("annotate", cells, "--backed", out="backed.h5ad")
    pd.testing.assert_frame_equal(whole.obs, backed.obs)
    np.testing.assert_array_equal(backed.X.toarray(), counts_adata.X.toarray())


def test_modality(run, counts_adata, tmp_path):
    pytest.importorskip("mudata")
    with _files._mudata() as mudata:
        protein = anndata.AnnData(np.ones((60, 3)), obs=pd.DataFrame(index=counts_adata.obs_names))
        data = mudata.MuData({"gex": counts_adata, "prot": protein})
    _files.write(data, tmp_path / "in.h5mu")
    found = run("annotate", tmp_path / "in.h5mu", "--mod", "gex", out="out.h5mu")
    assert KEY in found.mod["gex"].obs
    assert KEY not in found.mod["prot"].obs
    assert f"gex:{KEY}" not in found.obs


def test_output_over_input_when_told(run, cells):
    assert KEY in run("annotate", cells, "--overwrite", out="cells.h5ad").obs


def test_quiet(run, cells, capsys):
    run("annotate", cells, "--quiet")
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What scanpy logs."""
    before, messages = sc.settings.logfile, io.StringIO()
    sc.settings.logfile = messages
    yield messages
    sc.settings.logfile = before


def test_verbose_is_undone(run, cells, log):
    before = sc.settings.verbosity
    run("annotate", cells, "--verbose")
    assert "finished" in log.getvalue()
    assert sc.settings.verbosity == before
    assert scmm.settings.progress is None


def test_warning_is_one_line(run, counts_adata, tmp_path, capsys, recwarn):
    import warnings

    counts_adata.X = counts_adata.X * np.float32(0.7)
    _files.write(counts_adata, tmp_path / "fractional.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        run("annotate", tmp_path / "fractional.h5ad")
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(lines) == 1
    assert lines[0].startswith("scmm: warning: X holds")


@pytest.mark.parametrize("name", ["pbmc3k_labelled.h5ad", "darmanis_2015.h5ad"])
def test_real_cells(shared_data, default_model, tmp_path, name):
    path = tmp_path / "out.h5ad"
    words = ["annotate", str(shared_data / "dev" / name), "-o", str(path), "--device", "cpu"]
    if main(["info", *words[1:2]]) == 1:
        words += ["--counts", "lognorm"]
    assert main(words) == 0
    assert Path(path).exists()


def test_generate(model_options, tmp_path, tiny_model, capsys):
    path, genes = tmp_path / "made.h5ad", tmp_path / "genes.txt"
    genes.write_text("\n".join(tiny_model.genes.symbols[:30]))
    words = ["T cell", "B cell", "-n", "4", "--genes", genes, "--library-size", 90, "--seed", 2]
    assert main(["generate", *map(str, words), "-o", str(path), *model_options]) == 0
    found = _files.read(path)
    expected = scmm.tl.generate(
        ["T cell", "B cell"],
        4,
        genes=tiny_model.genes.symbols[:30],
        library_size=90,
        rng=2,
        model=tiny_model,
    )
    np.testing.assert_array_equal(found.X.toarray(), expected.X.toarray())
    assert list(found.obs["scmm_prompt"]) == list(expected.obs["scmm_prompt"])
    out = capsys.readouterr().out
    assert "8 cells x 30 genes generated in" in out
    assert "T cell" in out


def test_generate_in_the_genes_of_a_file(model_options, cells, tmp_path, counts_adata, capsys):
    import warnings

    path = tmp_path / "made.h5ad"
    words = ["T cell", "B cell", "--steps", "3", "-n", "2", "--genes", str(cells), "-o", str(path)]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["generate", *words, *model_options]) == 0
    assert "scmm: warning: 3 of 303 `genes` are left out" in capsys.readouterr().err
    found = _files.read(path)
    assert list(found.var_names) == list(counts_adata.var_names[:300])
    assert found.n_obs == 6
    # What is there is not replaced unless told.
    assert main(["generate", *words, *model_options]) == 2
    assert "exists already" in capsys.readouterr().err


def test_integrate_does_what_the_tool_does(run, cells, tiny_model, counts_adata, capsys, tmp_path):
    found = run("integrate", cells, "--batch-key", "cluster", "--csv", tmp_path / "places.csv")
    scmm.tl.integrate(counts_adata, "cluster", model=tiny_model)
    place = counts_adata.obsm["X_scmm_integrated"]
    np.testing.assert_allclose(found.obsm["X_scmm_integrated"], place, atol=1e-5)
    table = pd.read_csv(tmp_path / "places.csv", index_col=0)
    np.testing.assert_allclose(table, place, atol=1e-5)
    out = capsys.readouterr().out
    assert "60 cells integrated in" in out
    assert f"obsm['X_scmm_integrated']: {place.shape[1]} numbers a cell" in out
    assert "mono" in out


def test_integrate_takes_a_representation(run, cells):
    found = run(
        *("integrate", cells, "--batch-key", "cluster", "--use-rep", "X_umap"),
        *("--key-added", "X_umap_integrated"),
    )
    assert found.obsm["X_umap_integrated"].shape == (60, 2)


def test_summary_of_seeds():
    from scmmgpt_tl.cli._summary import integrated

    adata = anndata.AnnData(obsm={"X": np.zeros((3, 2))}, shape=(3, 1))
    batches = pd.DataFrame({"batch": ["a", "b"], "n_cells": [1, 2]})
    seeds = pd.DataFrame({"label": ["T cell", "B cell"], "n_cells": [1000, 500]})
    adata.uns["X"] = {"batches": batches, "seeds": seeds}
    assert "shown to scANVI: 1,500 cells of 2 labels" in integrated(adata, "X")


def test_deconvolve_does_what_the_tool_does(run, cells, tiny_model, counts_adata, tmp_path, capsys):
    labels = ["T cell", "B cell", "monocyte"]
    table = tmp_path / "shares.csv"
    found = run("deconvolve", cells, "--labels", ",".join(labels), "--csv", table)
    scmm.tl.deconvolve(counts_adata, labels, model=tiny_model)
    expected = counts_adata.obsm["scmm_mixture"]
    np.testing.assert_allclose(found.obsm["scmm_mixture"], expected, atol=1e-6)
    np.testing.assert_allclose(pd.read_csv(table, index_col=0), expected, atol=1e-6)
    out = capsys.readouterr().out
    assert "60 cells split in" in out
    best = expected.mean().idxmax()
    assert f"{best}  " in out
