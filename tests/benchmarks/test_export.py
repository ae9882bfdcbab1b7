from __future__ import annotations

import pandas as pd
import pytest


def test_engines_are_timed_and_told(bench_folder, tiny_bundle):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from export import main

    out, docs = bench_folder / "out", bench_folder / "docs"
    options = "--layers 1 --width 16 --genes 120 --expressed 60 --rounds 1 --scgpt-cells 3"
    main([*options.split(), "--shipped-cells", "5", "--engines", "torch", "onnxruntime",
          "--model", str(tiny_bundle), "--out", str(out), "--docs", str(docs)])  # fmt: skip
    rows = pd.read_csv(out / "export.csv")
    assert list(rows["engine"]) == ["torch", "onnxruntime"] * 2
    assert (rows["seconds"] > 0).all()
    assert rows["difference"].max() < 1e-4
    page = (docs / "benchmarks.md").read_text(encoding="utf-8")
    assert "| scGPT's size, random weights, made-up cells | 3 | onnxruntime |" in page
    assert "old export" not in page
