"""The benchmark of GPUs where there is none, and what it says of numbers from one."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from _page import markers

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def test_says_in_words_that_there_is_no_gpu(tmp_path, capsys):
    import gpu

    gpu.main(["--out", str(tmp_path / "out")])
    assert "No GPU was found here, so that no speed of one was measured." in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_arithmetic_needs_no_gpu(tmp_path):
    import gpu

    (tmp_path / "profile.md").write_text("\n".join(markers("gpu")))
    words = "--arithmetic --kinds geneformer --layers 2 --width 16 --genes 120 --expressed 60"
    gpu.main([*words.split(), "--out", str(tmp_path), "--docs", str(tmp_path)])
    page = (tmp_path / "profile.md").read_text()
    assert "No GPU was found here" in page
    assert "| Geneformer V1, 12 layers | 60 | " in page
    assert "cells/s" not in page


def test_operations_follow_from_the_sizes(tmp_path):
    import gpu

    found = {}
    for layers in (1, 2, 3):
        words = f"--layers {layers} --width 16 --genes 120 --expressed 60".split()
        given = gpu.read_arguments([*words, "--out", str(tmp_path)])
        found[layers] = gpu.one_encoder("geneformer", given, peak=None)["gflop"]
    # States before the last layer are embedded, so that the first layer costs as much as the next.
    assert found[3] - found[2] == pytest.approx(found[2] - found[1])
    assert found[2] > found[1]


def test_speeds_stand_beside_what_arithmetic_allows():
    from gpu import report

    row = {"encoder": "x", "genes": 2000, "gflop": 50.0, "cells_per_second": 400.0}
    results = pd.DataFrame([row | {"floor": 1000.0, "share": 0.4, "peak_mib": 2000.0}])
    (_, table) = report(results, ["a chip"])
    assert "| x | 2,000 | 50 | 400 | 1,000 | 40.0% | 2,000 |" in table
