"""Cells that a tool must cope with, and ways to compare what it wrote."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    from anndata import AnnData

GENES = Path(__file__).parents[1] / "data" / "genes.tsv"
TYPES = {
    "T cell": ("CD3D", "CD3E", "CD3G", "IL7R", "TRAC"),
    "cluster seven": ("MS4A1", "CD79A", "CD79B", "CD19"),
    "monocyte": ("LYZ", "CD14", "S100A8", "S100A9", "CST3"),
}


@pytest.fixture(autouse=True)
def _short_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights never end a text by themselves: do not wait for them."""
    monkeypatch.setattr("scmmgpt_tl.tl._writing.write_up.MAX_NEW_TOKENS", 8)


@pytest.fixture
def poor_adata(counts_adata: AnnData) -> AnnData:
    """The counts, with a cell without any and one with three genes."""
    counts = counts_adata.X.toarray()
    counts[3] = 0
    counts[5, 3:] = 0
    counts[5, :3] = 1
    counts_adata.X = csr_matrix(counts)
    return counts_adata


def label_transfer(adata: AnnData, **more) -> AnnData | None:
    """Take labels from other cells than those that get them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The Cell Ontology has no 'cluster seven'")
        return scmm.tl.label_transfer(adata, labelled_cells(), "type", **more)


def labelled_cells() -> AnnData:
    """Thirty cells of two named types and one whose name tells nothing."""
    from anndata import AnnData

    from scmmgpt_tl.model.genes import GeneTable

    rng = np.random.default_rng(7)
    symbols = np.array(GeneTable.read(GENES).symbols)[:250]
    types = np.repeat(list(TYPES), 10)
    rate = np.tile(rng.gamma(0.4, 1.0, len(symbols)), (30, 1))
    for name, markers in TYPES.items():
        rate[np.ix_(types == name, np.isin(symbols, markers))] += 8
    return AnnData(
        csr_matrix(rng.poisson(rate).astype(np.float32)),
        obs=pd.DataFrame({"type": types}, index=[f"known{i}" for i in range(30)]),
        var=pd.DataFrame(index=symbols),
    )


TOOLS = {
    "annotate": scmm.tl.annotate,
    "annotate-groups": lambda adata, **more: scmm.tl.annotate(adata, None, "cluster", **more),
    "annotate-deepest": lambda adata, **more: scmm.tl.annotate(adata, level="deepest", **more),
    "compare": lambda adata, **more: scmm.tl.compare(adata, "T", "B", groupby="cluster", **more),
    "deconvolve": lambda adata, **more: scmm.tl.deconvolve(
        adata, ["T cell", "B cell", "monocyte"], **more
    ),
    "describe": lambda adata, **more: scmm.tl.describe(adata, "cluster", **more),
    "embed": scmm.tl.embed,
    "label_transfer": label_transfer,
    "integrate": lambda adata, **more: scmm.tl.integrate(adata, "cluster", **more),
    "rank_terms": lambda adata, **more: scmm.tl.rank_terms(adata, None, "cluster", **more),
    "search": lambda adata, **more: scmm.tl.search(adata, "T cell", **more),
}


# Not sent through the network, which is what batches are for.
UNSENT = {"deconvolve"}


@pytest.fixture(params=[name for name in TOOLS if name not in UNSENT])
def sending_tool(request: pytest.FixtureRequest, tiny_model):
    """Every tool that sends cells through the network, with the tiny model."""
    return lambda adata, **more: TOOLS[request.param](adata, model=tiny_model, **more)


@pytest.fixture(params=TOOLS.values(), ids=TOOLS.keys())
def tool(request: pytest.FixtureRequest, tiny_model):
    """Every tool, with the tiny model."""
    return lambda adata, **more: request.param(adata, model=tiny_model, **more)


def assert_same(left: AnnData, right: AnnData, *, exact: bool = True) -> None:
    """Everything a tool may write is the same in both."""
    import pandas as pd

    tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 0, "atol": 1e-5}
    check = {"check_categorical": False, "check_dtype": False, **tolerance}
    pd.testing.assert_frame_equal(left.obs, right.obs, **check)
    assert set(left.obsm) == set(right.obsm)
    for key, value in left.obsm.items():
        np.testing.assert_allclose(np.asarray(value), np.asarray(right.obsm[key]), **tolerance)
    assert set(left.uns) == set(right.uns)
    for key, record in left.uns.items():
        _assert_same_record(record, right.uns[key], **check)


def _assert_same_record(left, right, **check) -> None:
    import pandas as pd

    assert set(left) == set(right)
    for name, value in left.items():
        if isinstance(value, pd.DataFrame):
            # With pandas 3, anndata reads names of columns as objects that were written as strings.
            pd.testing.assert_frame_equal(
                value.reset_index(drop=True),
                right[name].reset_index(drop=True),
                check_column_type=False,
                **check,
            )
        elif hasattr(value, "keys"):
            _assert_same_record(value, right[name], **check)
        else:
            assert list(np.ravel(value)) == list(np.ravel(right[name]))
