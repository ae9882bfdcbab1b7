"""Cells with results as the tools leave them, made up so that every number is known."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

NAMES = ["T cell", "B cell", "CD4-positive, alpha-beta T cell", "natural killer cell"]
IDS = ["CL:0000084", "CL:0000236", "CL:0000624", "CL:0000623"]


@pytest.fixture(autouse=True)
def _without_screen():
    mpl.use("agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture
def adata() -> AnnData:
    """Forty cells in four groups; group 0 is T cells, group 1 is B cells, 2 and 3 are CD4 T cells."""
    rng = np.random.default_rng(0)
    group = np.repeat(["0", "1", "2", "3"], 10)
    truth = np.repeat([0, 1, 2, 2], 10)
    logits = rng.normal(size=(40, 4))
    logits[np.arange(40), truth] += 4
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = [f"c{i}" for i in range(40)]
    adata = AnnData(
        np.ones((40, 2), dtype=np.float32),
        obs=pd.DataFrame({"group": pd.Categorical(group)}, index=names),
        obsm={"X_umap": rng.normal(size=(40, 2)) + 6 * np.eye(4)[truth][:, :2]},
    )
    annotate(adata, p)
    describe(adata)
    adata.obs["scmm_search"] = p[:, 1].astype(np.float32)
    adata.uns["scmm_search"] = {"params": {"query": "B cell worth $5 or $10"}}
    return adata


def annotate(adata: AnnData, p: np.ndarray) -> None:
    best = p.argmax(axis=1)
    label = np.array(NAMES, dtype=object)[best]
    label[[0, 20]] = "unknown"
    ids = np.array(IDS, dtype=object)[best]
    ids[[0, 20]] = ""
    adata.obs["scmm_cell_type"] = pd.Categorical(label)
    adata.obs["scmm_cell_type_score"] = p.max(axis=1).astype(np.float32)
    runner_up = np.sort(p, axis=1)[:, -2]
    adata.obs["scmm_cell_type_margin"] = (p.max(axis=1) - runner_up).astype(np.float32)
    adata.obs["scmm_cell_type_cl"] = pd.Categorical(ids)
    adata.obs["scmm_cell_type_reason"] = pd.Categorical(np.where(ids == "", "low score", "ok"))
    adata.obs["scmm_cell_type_coverage"] = np.full(40, 0.9, dtype=np.float32)
    adata.obsm["scmm_cell_type_scores"] = pd.DataFrame(
        p.astype(np.float32), index=adata.obs_names, columns=NAMES
    )
    labels = pd.DataFrame({"name": NAMES, "cl_id": IDS, "column": NAMES}, index=list("0123"))
    groups = pd.DataFrame(
        {
            "group": ["0", "1", "2", "3"],
            "label": ["T cell", "B cell", NAMES[2], NAMES[2]],
            "cl_id": [IDS[0], IDS[1], IDS[2], IDS[2]],
            "score": [0.8, 0.9, 0.7, 0.6],
            "support": [0.7, 0.95, 0.6, 0.6],
            "agreement": [0.9, 1.0, 0.8, 0.7],
            "runner_up": ["B cell"] * 4,
            "margin": [0.1] * 4,
            "n_cells": [10, 10, 10, 1500],
        },
        index=list("0123"),
    )
    params = {"model": "made up", "groupby": "group"}
    adata.uns["scmm_cell_type"] = {
        "params": params,
        "labels": labels,
        "genes": {},
        "groups": groups,
    }


def describe(adata: AnnData) -> None:
    groups = pd.DataFrame(
        {
            "group": ["0", "1", "2", "3"],
            "n_cells": [10, 10, 10, 1],
            "label": ["T cell", "B cell", NAMES[2], "unknown"],
            "cl_id": [*IDS[:3], ""],
            "score": [0.8, 0.9, 0.7, np.nan],
            "top_genes": ["CD3D, CD3E", "CD79A, MS4A1", "IL7R, LTB", ""],
            "top_terms": [""] * 4,
            "lineage": ["cell > lymphocyte > T cell"] * 3 + [""],
            "description": ["These cells express genes of the T cell receptor complex. " * 4] * 4,
        },
        index=list("0123"),
    )
    adata.obs["scmm_description"] = groups["description"].to_numpy()[np.repeat(range(4), 10)]
    adata.uns["scmm_description"] = {"params": {"groupby": "group"}, "groups": groups}
