"""Arguments, and what happens when something is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest

from scmmgpt_tl.cli import main
from scmmgpt_tl.cli._options import names
from scmmgpt_tl.cli._parser import build_parser


def failure(words: list[object], capsys) -> str:
    """Run a command that must fail, and give its one message."""
    assert main([str(word) for word in words]) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("scmm: error: ")]
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return captured.err


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.h5ad"


def test_missing_file(out, capsys):
    assert "There is no file" in failure(["annotate", "nowhere.h5ad", "-o", out], capsys)


@pytest.mark.parametrize("command", ["annotate", "embed", "describe"])
def test_output_over_input(cells, command, capsys, model_options):
    before = cells.read_bytes()
    words = [command, cells, "-o", cells, *model_options]
    assert "is the input file" in failure(words, capsys)
    assert cells.read_bytes() == before


def test_output_that_exists(cells, out, capsys):
    out.write_text("precious")
    assert "exists already" in failure(["embed", cells, "-o", out], capsys)
    assert out.read_text() == "precious"


@pytest.mark.parametrize("name", ["out.loom", "out", "out.h5mu"])
def test_output_of_another_format(cells, tmp_path, name, capsys):
    assert "Use .h5" in failure(["embed", cells, "-o", tmp_path / name], capsys)


def test_input_of_another_format(tmp_path, out, capsys):
    path = tmp_path / "cells.csv"
    path.write_text("cell,gene\n")
    assert "Unknown suffix '.csv'" in failure(["embed", path, "-o", out], capsys)


def test_damaged_input(tmp_path, out, capsys):
    path = tmp_path / "cells.h5ad"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert "Cannot read" in failure(["embed", path, "-o", out], capsys)


def test_csv_that_exists_is_refused_before_the_work(cells, out, tmp_path, capsys, model_options):
    table = tmp_path / "table.csv"
    table.write_text("precious")
    words = ["annotate", cells, "-o", out, "--csv", table, *model_options]
    assert "exists already" in failure(words, capsys)
    assert table.read_text() == "precious"
    assert not out.exists()


def test_wrong_layer(cells, out, capsys, model_options):
    words = ["annotate", cells, "-o", out, "--layer", "spliced", *model_options]
    assert "no layer 'spliced'" in failure(words, capsys)
    assert not out.exists()


def test_scaled_values(counts_adata, tmp_path, out, capsys, model_options):
    counts_adata.X = counts_adata.X.toarray() - np.float32(0.5)
    counts_adata.write_h5ad(tmp_path / "scaled.h5ad")
    message = failure(["embed", tmp_path / "scaled.h5ad", "-o", out, *model_options], capsys)
    assert "negative" in message


def test_modality_of_an_anndata(cells, out, capsys):
    assert "mod='rna'" in failure(["embed", cells, "-o", out, "--mod", "rna"], capsys)


def test_unknown_label(cells, out, capsys, model_options):
    words = ["annotate", cells, "-o", out, "--groupby", "nothing", *model_options]
    assert "nothing" in failure(words, capsys)


def test_unknown_model(cells, out, capsys):
    assert "no model" in failure(["embed", cells, "-o", out, "--model", "./nowhere"], capsys)


def test_unknown_device(cells, out, capsys):
    assert "device" in failure(["embed", cells, "-o", out, "--device", "abacus"], capsys)


def test_debug_shows_where(out):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        main(["annotate", "nowhere.h5ad", "-o", str(out), "--debug"])


@pytest.mark.parametrize("words", [[], ["annotate"], ["dance"], ["perturb", "a.h5ad", "KLF1"]])
def test_wrong_arguments(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "usage: scmm" in capsys.readouterr().err


@pytest.mark.parametrize("labels", ["", " , "])
def test_no_names(labels, capsys):
    with pytest.raises(SystemExit):
        main(["annotate", "a.h5ad", "-o", "b.h5ad", "--labels", labels])
    assert "needs at least one name" in capsys.readouterr().err


def test_names_with_commas():
    assert names('a,"b, c", d') == ["a", "b, c", "d"]


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == f"scmmgpt-tl {version('scmmgpt-tl')}"


@pytest.mark.parametrize("command", ["", "annotate", "embed", "describe", "search", "info"])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args([*filter(None, [command]), "--help"])
    assert stop.value.code == 0
    assert "usage: scmm" in capsys.readouterr().out


def test_help_imports_no_torch():
    code = (
        "import sys\nfrom scmmgpt_tl.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_runs_as_a_module():
    words = [sys.executable, "-m", "scmmgpt_tl.cli", "embed", "nowhere.h5ad", "-o", "out.h5ad"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("scmm: error: There is no file")


def test_training_names_what_its_config_lacks(tmp_path, capsys):
    pytest.importorskip("lightning")
    config = tmp_path / "run.yaml"
    config.write_text("seed: 1\n", encoding="utf-8")
    message = failure(["pretrain", config, tmp_path / "run"], capsys)
    assert "lacks the keys ['bert', 'cells', 'gencode'" in message
    assert not (tmp_path / "run").exists()


def test_publishing_needs_a_run(tmp_path, capsys):
    pytest.importorskip("lightning")
    message = failure(["publish", tmp_path / "run", tmp_path / "bundle"], capsys)
    assert "run.yaml" in message
    assert not (tmp_path / "bundle").exists()
