"""The recipe of the user guide for Ray: workers embed as one process does, also where one dies."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import scmmgpt_tl as scmm

pytestmark = pytest.mark.skipif(not find_spec("ray"), reason="no ray")
RECIPE = Path(__file__).parents[1] / "docs" / "user_guide" / "embed_with_ray.py"


def workers():
    """Processes of Ray that hold the recipe's class."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if command.startswith(b"ray::") and b"Embed" in command:
            found[int(path.parent.name)] = command
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc to find workers in")
def test_workers_embed_as_one_process_does_although_one_is_killed(tmp_path, tiny_bundle):
    cells = scmm.datasets.immune_mini()[:200].copy()
    cells.write_h5ad(tmp_path / "cells.h5ad")
    told = [
        tmp_path / "cells.h5ad",
        tmp_path / "vectors.npy",
        "--model",
        tiny_bundle,
        "--rows",
        "20",
    ]
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    run = subprocess.Popen([sys.executable, RECIPE, *told], env=environment)
    try:
        while not (found := workers()) and run.poll() is None:
            time.sleep(0.1)
        assert found, "Ray ended before it began."
        for pid in found:
            os.kill(pid, 9)
        assert run.wait(timeout=300) == 0
    finally:
        run.kill()
    scmm.tl.embed(cells, model=tiny_bundle)
    np.testing.assert_allclose(np.load(tmp_path / "vectors.npy"), cells.obsm["X_scmm"], atol=1e-6)
