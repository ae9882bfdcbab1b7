"""Whether a score falls as the answers get worse, where a data set measured fewer genes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import scanpy as sc

import scmmgpt_tl as scmm
from scmmgpt_tl.metrics import consistent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _data import Study
    from numpy.typing import NDArray

SHARES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02)
KEY = "scmm_cell_type"


def ask_with_fewer_genes(
    study: Study, *, model: Any, seed: int, shares: Sequence[float] = SHARES
) -> list[dict[str, Any]]:
    """Annotate cells again and again, with fewer and fewer of the genes that the model knows.

    Parameters
    ----------
    study
        Labelled cells.
    model
        The model.
    seed
        Decides which genes are left; fewer genes are among those that were more.
    shares
        Of the genes that the file and the model both have.

    Returns
    -------
    One row a share: means over the cells that have a term of the Cell Ontology.
    """
    adata = study.adata[study.terms() != ""].copy()
    truth = study.terms()[study.terms() != ""]
    known = np.flatnonzero(scmm.pp.match_genes(adata, genes=model.genes).index >= 0)
    order = np.random.default_rng(seed).permutation(known)
    rows = []
    for kept in shares:
        columns = np.sort(order[: round(kept * len(known))])
        part = sc.AnnData(adata.X[:, columns], obs=adata.obs[[]], var=adata.var.iloc[columns])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scmm.tl.annotate(part, threshold=0.0, model=model, counts=study.counts)
        named = {"data_set": study.name, "kept": kept, "genes": len(columns)}
        rows.append(named | _row(part, truth, threshold=model.calibration.threshold))
    return rows


def _row(adata: sc.AnnData, truth: NDArray[np.str_], *, threshold: float) -> dict[str, float]:
    found = scmm.get.annotation_df(adata, key=KEY)
    right = consistent(truth, found["cl_id"].astype(str).to_numpy())
    read = (found["reason"] == "ok").to_numpy()
    answered = read & (found["score"] >= threshold).to_numpy()
    return {
        "coverage": float(found["coverage"].mean()),
        "seen": float(np.median((adata.X > 0).sum(axis=1))),
        "read": float(read.mean()),
        "score": float(found["score"][read].mean()) if read.any() else np.nan,
        "right": float(right[read].mean()) if read.any() else np.nan,
        "answered": float(answered.mean()),
        "answered_right": float(right[answered].mean()) if answered.any() else np.nan,
    }
