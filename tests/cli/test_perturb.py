"""`scmm perturb` on files."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl import _files
from scmmgpt_tl.cli import main


@pytest.fixture
def experiment(experiment_adata, tmp_path):
    path = tmp_path / "experiment.h5ad"
    experiment_adata.write_h5ad(path)
    return path


@pytest.fixture
def run(model_options, experiment, tmp_path):
    def run_(*words: object) -> int:
        given = ["perturb", experiment, *words, "-o", tmp_path / "out.h5ad", "--overwrite"]
        return main([*map(str, given), *model_options])

    return run_


LEARN = ("--perturbation-key", "done", "--control", "control", "--groupby", "group")


def test_learns_predicts_and_keeps(run, tmp_path, experiment_adata, tiny_model, capsys):
    kept = ("--save", tmp_path / "learned", "--csv", tmp_path / "out.csv")
    assert run("JAK1", "JAK1+interferon beta", *LEARN, *kept) == 0
    out = capsys.readouterr().out
    assert "8 rows x 300 predicted in" in out
    assert "sum of parts" in out
    found = _files.read(tmp_path / "out.h5ad")
    fitted = scmm.train.perturbation(
        experiment_adata, "done", "control", groupby="group", model=tiny_model
    )
    asked = {name: name for name in ("JAK1", "JAK1+interferon beta")}
    expected = scmm.tl.perturb(experiment_adata, asked, model=fitted)
    np.testing.assert_allclose(found.X, expected.X, atol=1e-5)
    table = pd.read_csv(tmp_path / "out.csv", index_col=0)
    assert len(table) == 8 * 300
    # And again, from what was kept; all that was learned is predicted.
    assert run("--learned", tmp_path / "learned") == 0
    again = _files.read(tmp_path / "out.h5ad")
    assert set(again.obs["perturbation"]) == {"JAK1", "interferon beta"}
    np.testing.assert_allclose(again.X[:4], expected.X[:4], atol=1e-5)


def test_genes_in_the_counts(run, tmp_path, capsys):
    words = ("--groupby", "group", "--labels", "T cell,B cell", "--direction", "over-expression")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run("CD3D", *words) == 0
    found = _files.read(tmp_path / "out.h5ad")
    assert list(found.var_names) == ["T cell", "B cell"]
    assert found.uns["scmm_perturb"]["params"]["direction"] == "over-expression"
    said = capsys.readouterr()
    assert "in silico" in said.out
    assert "no better than chance" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--perturbation-key", "done"], "`--perturbation-key` and `--control` together"),
        (["JAK1", "--save", "x"], "Say from what by `--perturbation-key`"),
        ([], "Say what is done to the cells"),
        (["--learned", "nowhere"], "is missing"),
    ],
)
def test_what_cannot_be_meant(run, words, message, capsys):
    assert run(*words) == 2
    assert message in capsys.readouterr().err


def test_cells_are_not_replaced_by_predictions(model_options, experiment, capsys):
    before = experiment.read_bytes()
    words = ["perturb", str(experiment), "CD3D", "-o", str(experiment), "--overwrite"]
    assert main([*words, *model_options]) == 2
    assert "exists already" in capsys.readouterr().err
    assert experiment.read_bytes() == before
