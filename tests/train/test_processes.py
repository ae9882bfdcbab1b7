"""Two processes learn what one does; the second way of sharing the work as well as the first."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
from safetensors.torch import load_file

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1"]
STRATEGIES = {"ddp": 2, "fsdp": 2, "auto": 1}
pytestmark = pytest.mark.xdist_group("processes")
PHASES = ("stage1", "droplets", "stage2_expression", "stage2_text")


@pytest.fixture(scope="module")
def runs(run_config, tmp_path_factory):
    """A short run for each strategy, by the command line."""
    # In full precision, so that the order of sums is all that differs; without dropout, which each
    # process draws for itself.
    sizes = {name: {**part} for name, part in run_config.architecture.items()}
    sizes["encoder"]["dropout"] = 0.0
    config = replace(
        run_config,
        architecture=sizes,
        precision="32-true",
        warm_up_steps=3,
        stage1_steps=10,
        stage1_cells=16,
    )
    folders = {}
    for strategy, processes in STRATEGIES.items():
        folders[strategy] = tmp_path_factory.mktemp(strategy)
        file = folders[strategy] / "config.yaml"
        config.write(file)
        launch(file, folders[strategy] / "run", strategy=strategy, processes=processes)
    return {strategy: folder / "run" for strategy, folder in folders.items()}


def launch(config, folder, *, strategy, processes):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*LAUNCH, "--nproc-per-node", str(processes), "--master-port", str(port)]
    command += ["-m", "scmmgpt_tl.cli", "pretrain", str(config), str(folder), "-q"]
    command += ["--accelerator", "cpu", "--devices", str(processes), "--strategy", strategy]
    alone = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, env=os.environ | alone, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


def curve(folder, phase):
    return pd.read_csv(folder / "curves" / phase / "version_0" / "metrics.csv").set_index("step")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_losses_are_those_of_one_process(runs, strategy, phase):
    alone, shared = curve(runs["auto"], phase), curve(runs[strategy], phase)
    assert len(alone) > 2
    pd.testing.assert_frame_equal(shared[alone.columns], alone, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_weights_are_those_of_one_process(runs, strategy, phase):
    alone = load_file(runs["auto"] / f"{phase}.safetensors")
    shared = load_file(runs[strategy] / f"{phase}.safetensors")
    assert alone.keys() == shared.keys()
    for key, value in alone.items():
        difference = (shared[key] - value).norm() / value.norm().clamp_min(1e-3)
        assert difference < 0.02, key
