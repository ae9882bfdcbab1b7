"""What is measured of costs, and what is drawn from it."""

from __future__ import annotations

import pandas as pd
import pytest
from _page import markers

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")


def test_costs_are_measured_and_told(tiny_bundle, tmp_path):
    import cost
    from _run import threads

    (tmp_path / "profile.md").write_text("\n".join(markers("cost")))
    words = ["--model", tiny_bundle, "--out", tmp_path / "out", "--docs", tmp_path, "--own-genes"]
    words += ["--cells", 40, "--tools", "embed"]
    cost.main([str(word) for word in words])
    found = pd.read_csv(tmp_path / "out" / "cost.csv")
    assert found["cells"].tolist() == [40]
    assert (found[["cpu_seconds", "peak_mib"]] > 0).all(axis=None)
    cell = pd.read_csv(tmp_path / "out" / "cost_of_a_cell.csv")
    assert (cell["annotated"] > 0).all()
    assert cell["peak_mib"].between(100, 100_000).all()
    page = (tmp_path / "profile.md").read_text()
    assert "| tiny | cpu | " in page
    assert f"| tiny | embed | the model's | {threads()} | 40 | " in page
    # Nothing is extrapolated from one size.
    assert "10,000,000" not in page


def test_made_cells_have_as_many_genes_as_they_should():
    from cost import RICH, rich_cells

    adata = rich_cells(5, seed=0)
    assert (adata.X.getnnz(axis=1) == RICH).all()
    assert (adata.X.data == adata.X.data.round()).all()
    assert (rich_cells(5, seed=0).X != adata.X).nnz == 0


def test_what_was_not_measured_lies_on_the_line_and_is_marked():
    from cost import growth_table

    sizes = [1000, 2000, 1_000_000]
    measured = pd.DataFrame(
        {
            "model": "m",
            "tool": "embed",
            "written": "all",
            "threads": "2",
            "cells": sizes,
            "cpu_seconds": [3600 * (1 + n / 1000) for n in sizes],
            "peak_mib": [500 + n / 10_000 for n in sizes],
        }
    )
    rows = growth_table(measured).splitlines()
    assert "| m | embed | all | 2 | 1,000,000 | 1,001.000 | 600 | 1.200 |" in rows
    assert "| m | embed | all | 2 | 10,000,000 | *10,001.000* | *1,500* | *2.999* |" in rows
    assert len(rows) == 2 + 4


def test_earlier_rows_stay_unless_they_are_measured_again(tmp_path):
    from argparse import Namespace

    from cost import kept

    earlier = [{"model": "a", "cells": 1, "s": 5.0}, {"model": "b", "cells": 1, "s": 6.0}]
    pd.DataFrame(earlier).to_csv(tmp_path / "x.csv", index=False)
    new = [{"model": "a", "cells": 1, "s": 7.0}]
    found = kept(new, tmp_path / "x.csv", Namespace(keep=True))
    assert dict(zip(found["model"], found["s"], strict=True)) == {"a": 7.0, "b": 6.0}
    assert kept(new, tmp_path / "x.csv", Namespace(keep=False))["model"].tolist() == ["a"]
