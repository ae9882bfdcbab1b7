"""Pictures of two groups that were compared."""

from __future__ import annotations

import pandas as pd
import pytest

from scmmgpt_tl import pl
from scmmgpt_tl.pl._comparison import comparison_data

KEY = "scmm_comparison"


@pytest.fixture
def compared(adata):
    types = pd.DataFrame({"label": ["T cell", "costs $5 or $6"], "difference": [0.1, -0.4]})
    types = types.assign(low=[0.0, -0.5], high=[0.2, -0.3], q=[0.2, 1e-5])
    genes = pd.DataFrame(
        {
            "gene": ["A", "B", "C", "D"],
            "log2_fold": [1.0, -2.0, 3.0, 0.5],
            "q": [1e-3, 1e-4, 1e-5, 0.5],
        }
    )
    cells = pd.DataFrame({"group": ["one", "two"]})
    tables = {"cells": cells, "types": types, "differing_genes": genes}
    adata.uns[KEY] = {"params": {}, "statements": pd.DataFrame({"sentence": ["x"]}), **tables}
    return adata


def test_what_differs_most_comes_first(compared):
    data = comparison_data(compared, key=KEY)
    assert data.names == ("one", "two")
    assert data.types["label"].tolist() == ["costs $5 or $6", "T cell"]
    # Not sure enough: D.
    assert data.genes["gene"].tolist() == ["C", "A", "B"]


def test_bars_and_intervals(compared):
    types, genes = pl.comparison(compared, show=False)
    assert [bar.get_width() for bar in genes.containers[0]] == [3, 1, -2]
    assert [label.get_text() for label in types.get_yticklabels()] == ["costs $5 or $6", "T cell"]
    assert genes.get_title() == "genes, one over two"
    (segments,) = (lines.get_segments() for lines in types.collections)
    assert segments[0][:, 0].tolist() == pytest.approx([-0.5, -0.3])


def test_nothing_differs(compared):
    compared.uns[KEY]["differing_genes"]["q"] = 1.0
    figure = pl.comparison(compared, return_fig=True)
    figure.canvas.draw()
    assert len(figure.axes) == 2


def test_missing_comparison(adata):
    with pytest.raises(ValueError, match=r"Run `scmm.tl.compare` first"):
        pl.comparison(adata)
