"""The benchmark of mouse cells from end to end, at tiny sizes."""

from __future__ import annotations

import anndata as ad
import mouse
import pandas as pd
import pytest
from _markers import Markers

from scmmgpt_tl.model.genes import GeneTable
from scmmgpt_tl.pp._orthologs import read_orthologs

T_CELL = "CL:0000084"


@pytest.fixture
def mouse_study(bench_folder):
    """A data set of mouse genes beside the human one."""
    pairs = read_orthologs()
    of_human = dict(zip(pairs.human.symbols, pairs.mouse.symbols, strict=True))
    adata = ad.read_h5ad(bench_folder / "data" / "tiny_study.h5ad")
    adata = adata[:, [name in of_human for name in adata.var_names]].copy()
    adata.var_names = [of_human[name] for name in adata.var_names]
    (bench_folder / "data" / "tasks").mkdir()
    adata.write_h5ad(bench_folder / "data" / "tasks" / "tiny_mouse.h5ad")
    return bench_folder


def test_mouse_data_sets_alone_are_run_and_leave_a_section(mouse_study, options):
    mouse.main([*options, "--methods", "scmmgpt", "capitals"])
    found = pd.read_csv(mouse_study / "out" / "mouse.csv")
    assert set(found["data_set"]) == {"tiny_mouse"}
    assert set(found["method"]) == {"scmmgpt", "capitals"}
    page = (mouse_study / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "old mouse" not in page
    assert "| tiny_mouse | scmmgpt-tl, names in capitals |" in page
    assert "chance less share of right answers" in page


def test_no_mouse_data_set_is_said(options):
    with pytest.raises(SystemExit, match="No data set in .* has the genes of a mouse"):
        mouse.main([*options, "--methods", "scmmgpt"])


def test_mouse_markers_are_those_of_the_mouse_by_their_human_names(tmp_path):
    columns = ["species", "cell_type_id", "marker", "marker_type", "evidence_global"]
    rows = [
        ("Mouse", T_CELL, "Cd3e", "positive", 3),
        ("Mouse", T_CELL, "Cd8b1", "positive", 2),
        ("Mouse", T_CELL, "Gm12345", "positive", 2),
        ("Human", T_CELL, "PTPRC", "positive", 1),
    ]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "markers.csv", index=False)
    genes = GeneTable(("CD3E", "CD8B", "PTPRC"), ("", "", ""), ((), (), ()))
    of_mouse = Markers.read(tmp_path / "markers.csv", of_mouse=genes)
    assert sorted(of_mouse._table["marker"]) == ["CD3E", "CD8B"]
    assert sorted(Markers.read(tmp_path / "markers.csv")._table["marker"]) == ["PTPRC"]
