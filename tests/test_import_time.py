"""Importing the package stays cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = ("accelerate", "dask", "gguf", "huggingface_hub", "lightning", "mudata", "peft", "scvi", "tokenizers",
        "torch", "transformers")  # fmt: skip


def run(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["scmmgpt_tl", "scmmgpt_tl.cli"])
def test_slow_libraries_are_not_imported(module):
    # anndata and scanpy import what they like: only what we add counts.
    found = run(
        f"import sys, scanpy; before = set(sys.modules); import {module}\n"
        f"print(*[name for name in {SLOW!r} if name in set(sys.modules) - before])"
    )
    assert not found


def test_import_adds_little_to_scanpy():
    code = (
        "import time; begin = time.process_time()\n"
        "import scanpy; middle = time.process_time()\n"
        "import scmmgpt_tl; end = time.process_time()\n"
        "print((end - middle) / (middle - begin))"
    )
    # Beside scanpy's own, and the best of three: how busy the machine is is not our cost.
    assert min(float(run(code)) for _ in range(3)) <= 0.15


def test_import_prints_and_warns_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning:scmmgpt_tl", "-c", "import scmmgpt_tl"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    assert done.stderr == ""
