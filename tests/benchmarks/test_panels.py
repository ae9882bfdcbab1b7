from __future__ import annotations

import numpy as np
import pandas as pd
import panels
import pytest
from _data import read_study


def test_genes_that_vary_come_first(bench_folder, tiny_model):
    study = read_study(bench_folder / "data" / "tiny_study.h5ad", max_cells=60, seed=0)
    order = panels.telling_genes(study, tiny_model)
    counts = study.adata[:, order].X.toarray()
    known = study.adata[:, study.adata.var_names.isin(tiny_model.genes.symbols)].X.sum(axis=1)
    spread = np.log1p(1e4 * counts / np.asarray(known)).var(axis=0)
    assert (np.diff(spread) < 1e-4).all()
    assert not set(order) & {"FOREIGN1", "FOREIGN2", "FOREIGN3"}


def test_panels_run(options, bench_folder):
    more = ["--sizes", "100", "40", "--slide", str(bench_folder / "none.h5ad")]
    panels.main([*options, *more])
    found = pd.read_csv(bench_folder / "out" / "panels.csv")
    assert found["genes"].tolist() == [303, 100, 40]
    assert found["cells"].tolist() == [60] * 3
    assert (found["accuracy"] <= found["consistent"]).all()
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "old panels" not in page
    assert "Means over 1 data sets that were cut to panels" in page


def test_a_slide_has_its_own_genes_alone(options, bench_folder):
    slide = bench_folder / "data" / "tiny_study.h5ad"
    other = bench_folder / "slide.h5ad"
    other.write_bytes(slide.read_bytes())
    panels.main([*options, "--sizes", "40", "--slide", str(other)])
    found = pd.read_csv(bench_folder / "out" / "panels.csv")
    assert found["data_set"].tolist() == ["tiny_study", "tiny_study", "slide"]
    first, last = found.iloc[0], found.iloc[2]
    assert first["calibration_error"] == pytest.approx(last["calibration_error"])
