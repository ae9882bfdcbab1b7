"""Commands whose work is done by workers of Dask."""

from __future__ import annotations

import os
import sys

import pytest

from scmmgpt_tl._stream import run_folder
from scmmgpt_tl.cli import main


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(run_folder, "SHARD_ROWS", 17)


@pytest.fixture
def words(cells, model_options) -> list[str]:
    return ["embed", str(cells), *model_options]


@pytest.fixture
def expected(cells, words) -> bytes:
    """What a run without Dask writes."""
    assert main(words) == 0
    results = cells.with_name("cells.scmm.h5ad")
    found = results.read_bytes()
    results.unlink()
    return found


def test_address(cells, words, expected, dask_client, capsys):
    capsys.readouterr()
    assert main([*words, "--dask", dask_client.scheduler.address]) == 0
    out = capsys.readouterr().out
    assert "60 cells embedded in" in out
    assert "2 Dask workers)" in out
    assert cells.with_name("cells.scmm.h5ad").read_bytes() == expected


def test_local(cells, words, expected, capsys):
    pytest.importorskip("distributed")
    assert main([*words, "--dask", "local", "--workers", "1"]) == 0
    assert "1 Dask worker)" in capsys.readouterr().out
    assert cells.with_name("cells.scmm.h5ad").read_bytes() == expected


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A stand-in for SLURM, which starts a job at once, on this machine."""
    dask = pytest.importorskip("dask")
    pytest.importorskip("dask_jobqueue")
    commands = {
        "sbatch": f'cp "$1" {tmp_path}/job.sh\n'
        f"setsid sh {tmp_path}/job.sh > {tmp_path}/job.log 2>&1 &\n"
        'echo "Submitted batch job $!"',
        "scancel": 'kill -- "-$1"',
    }
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    job = {"cores": 1, "memory": "8GB", "scheduler-options": {"dashboard_address": "127.0.0.1:0"}}
    with dask.config.set({f"jobqueue.slurm.{name}": value for name, value in job.items()}):
        yield tmp_path


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_slurm(cells, words, expected, slurm):
    assert main([*words, "--dask", "slurm", "--workers", "1"]) == 0, (slurm / "job.log").read_text()
    assert cells.with_name("cells.scmm.h5ad").read_bytes() == expected
    script = (slurm / "job.sh").read_text()
    assert "#SBATCH --cpus-per-task=1" in script
    assert f"{sys.executable} -m distributed.cli.dask_worker" in script


# The library leaves the cluster that it refuses to build unclosed.
@pytest.mark.filterwarnings("ignore:unclosed cluster:ResourceWarning")
def test_slurm_without_a_job(words, slurm, capsys):
    import dask

    with dask.config.set({"jobqueue.slurm.cores": None}):
        assert main([*words, "--dask", "slurm", "--workers", "1"]) == 2
    assert "under `jobqueue: slurm:`, with `cores`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--dask", "local", "-o", "out.h5ad"], "results go to a file beside the input"),
        (["--dask", "local", "--workers", "0"], "`--workers` must be at least 1, not 0"),
        (["--dask", "tcp://a:1", "--workers", "2"], "'tcp://a:1' has workers of its own"),
        (["--dask", "slurm"], "`--dask slurm` needs `--workers N`"),
        (["--dask", "slurm", "--workers", "2"], "There is no `sbatch` here"),
        (["--workers", "2", "--shard", "1/2"], "`--workers` says how many"),
        (["--workers", "2"], "`--workers` says how many workers `--dask` starts"),
    ],
)
def test_what_does_not_go_together(words, more, said, capsys, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    monkeypatch.setenv("PATH", "")
    assert main([*words, *more]) == 2
    assert said in capsys.readouterr().err


def test_shares_and_workers(words, capsys):
    with pytest.raises(SystemExit):
        main([*words, "--dask", "local", "--shard", "1/2"])
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "where", "package"),
    [
        ("distributed", "local", "`scmmgpt-tl[dask]`"),
        ("dask_jobqueue", "slurm", "`dask-jobqueue`"),
    ],
)
def test_what_is_not_installed_is_named(words, module, where, package, capsys, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setitem(sys.modules, module, None)
    assert main([*words, "--dask", where, "--workers", "1"]) == 2
    assert f"Please install {package}" in capsys.readouterr().err
