from __future__ import annotations

import neighborhoods
import numpy as np
import pandas as pd
import pytest
from neighborhoods import commonest, judge

T, B, LYMPHOCYTE = "CL:0000084", "CL:0000236", "CL:0000542"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("These cells are B cells.", (1, 1, 1)),
        ("These cells are T cells.", (1, 0, 1)),
        # True of both, and so of the commonest.
        ("These cells are lymphocytes.", (1, 1, 1)),
        ("These cells are hepatocytes.", (0, 0, 0)),
        ("Hepatocytes beside T cells.", (1, 0, 0)),
        ("These cells are unknown.", (0, 0, 1)),
    ],
)
def test_what_is_true_of_a_place(text, expected):
    assert tuple(judge(text, (B, T), is_all=True).values()) == expected


def test_where_not_all_is_known_little_can_be_said():
    found = judge("These cells are T cells.", (B, T), is_all=False)
    assert found["names_one"] == 1
    assert np.isnan([found["names_first"], found["nothing_absent"]]).all()


def test_commonest_first():
    assert commonest(np.array([T, B, "", B, "", ""])) == (B, T)


def test_neighborhoods_runs(options, bench_folder, counts_adata):
    rng = np.random.default_rng(0)
    counts_adata.obsm["spatial"] = rng.uniform(size=(60, 2))
    counts_adata.write_h5ad(bench_folder / "cells.h5ad")
    regions = [*list(neighborhoods.REGIONS) * 9, *["undetermined"] * 6]
    counts_adata.obs["cell_type"] = regions
    counts_adata.obs["section"] = np.tile(["a", "b"], 30)
    counts_adata.write_h5ad(bench_folder / "regions.h5ad")
    given = {"--cells": bench_folder / "cells.h5ad", "--regions": bench_folder / "regions.h5ad"}
    given |= {"--places": 6, "--neighbors": 3}
    neighborhoods.main([*options, *(str(part) for pair in given.items() for part in pair)])
    found = pd.read_csv(bench_folder / "out" / "neighborhoods.csv")
    assert found.groupby(["slide", "method"]).size().to_dict() == {
        (slide, way): 6 for slide in ("cells", "regions") for way in neighborhoods.NAMES
    }
    assert found.loc[found["slide"] == "regions", "names_first"].isna().all()
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "#### cells (6 places)" in page
    assert "old neighborhoods" not in page
