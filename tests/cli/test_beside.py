"""Results beside the input, in shares and put together."""

from __future__ import annotations

import anndata as ad
import pandas as pd
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl._stream import run_folder
from scmmgpt_tl.cli import main


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(run_folder, "SHARD_ROWS", 17)


@pytest.fixture
def results(cells):
    return cells.with_name("cells.scmm.h5ad")


def test_results_go_beside_the_input(cells, results, model_options, capsys, tmp_path):
    table = tmp_path / "labels.csv"
    assert main(["annotate", str(cells), "--csv", str(table), *model_options]) == 0
    out = capsys.readouterr().out
    assert "60 cells annotated in" in out
    assert f"wrote {results}" in out
    found = ad.read_h5ad(results)
    assert found.n_vars == 0
    assert list(pd.read_csv(table)["label"]) == list(found.obs["scmm_cell_type"].astype(str))
    assert main(["embed", str(cells), *model_options]) == 0
    assert "obsm['X_scmm']: 16 numbers a cell" in capsys.readouterr().out
    assert main(["search", str(cells), "B cell", *model_options]) == 0
    assert set(ad.read_h5ad(results).uns) == {"scmm_cell_type", "X_scmm", "scmm_search"}


@pytest.mark.filterwarnings("ignore:The Cell Ontology has no")
def test_tools_that_pool_go_there_too(cite_adata, model_options, tmp_path, capsys):
    path, table = tmp_path / "cite.h5ad", tmp_path / "table.csv"
    cite_adata.write_h5ad(path)
    commands = {
        "refine": [],
        "describe": ["--groupby", "cluster"],
        "explain": ["--groupby", "cluster"],
        "integrate": ["--batch-key", "cluster"],
        "compare": ["--groupby", "cluster", "--a", "T", "--b", "B"],
        "deconvolve": ["--labels", "T cell,B cell"],
        "proteins": [],
    }
    for command, words in commands.items():
        options = [*words, "--csv", str(table), "--overwrite", *model_options]
        assert main([command, str(path), *options]) == 0, command
        assert f"wrote {path.with_name('cite.scmm.h5ad')}" in capsys.readouterr().out
        assert len(pd.read_csv(table)), command
    found = ad.read_h5ad(path.with_name("cite.scmm.h5ad"))
    assert len(found.uns) == len(commands)
    assert found.n_vars == 0
    assert (found.obs["scmm_cell_type_protein"] == "disagrees").sum() == 10


def test_shares_put_together_are_the_whole(cells, results, model_options, tiny_model, capsys):
    whole = scmm.tl.annotate(cells, model=tiny_model, copy=True)
    expected = results.read_bytes()
    results.unlink()
    words = ["annotate", str(cells), *model_options]
    assert main([*words, "--shard", "2/2"]) == 0
    assert "scmm merge" in capsys.readouterr().out
    assert not results.exists()
    assert main(["merge", str(cells)]) == 2
    assert "2 of 4 parts in" in capsys.readouterr().err
    assert main([*words, "--shard", "1/2"]) == 0
    assert main(["merge", str(cells)]) == 0
    assert f"wrote {results}" in capsys.readouterr().out
    assert results.read_bytes() == expected
    assert whole.n_obs == 60
    assert main(["merge", str(cells)]) == 2
    assert "No run over" in capsys.readouterr().err


def test_whole_run_goes_on_with_what_shares_did(cells, results, model_options, capsys):
    words = ["embed", str(cells), *model_options]
    assert main([*words, "--shard", "1/2"]) == 0
    assert main([*words, "--counts", "raw"]) == 2
    assert "`counts` was 'auto', not 'raw'" in capsys.readouterr().err
    assert main(words) == 0
    assert ad.read_h5ad(results).obsm["X_scmm"].shape[0] == 60


def test_changed_file_is_not_merged(cells, model_options, counts_adata, capsys):
    assert main(["embed", str(cells), *model_options, "--shard", "1/1"]) == 0
    for number in (1, 2):
        words = ["search", str(cells), "B cell", *model_options, "--shard", f"{number}/2"]
        assert main(words) == 0
    counts_adata.X = counts_adata.X * 2
    counts_adata.write_h5ad(cells)
    assert main(["merge", str(cells)]) == 2
    assert "was changed after the run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["-o", "out.h5ad"], "`--shard` leaves no results to write yet"),
        (["--csv", "out.csv"], "`--shard` leaves no results to write yet"),
        (["--groupby", "cluster"], "tools that look at one cell at a time, without `groupby`"),
    ],
)
def test_shares_and_what_needs_all(cells, more, said, model_options, capsys):
    assert main(["annotate", str(cells), *more, "--shard", "1/2", *model_options]) == 2
    assert said in capsys.readouterr().err


def test_share_that_is_none(cells, capsys):
    with pytest.raises(SystemExit):
        main(["annotate", str(cells), "--shard", "3/2"])
    assert "must be like '2/4'" in capsys.readouterr().err
