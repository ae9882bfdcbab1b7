"""Labels of cells that are alike: by their RNA, or by RNA and proteins."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from _few_labels import most_variable
from _scvi import TRAINING, open_scvi
from anndata import AnnData

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

LATENT = "X_totalVI"


def refined(adata: AnnData, model: Model, *, use_rep: str | None = None) -> NDArray[np.str_]:
    """Let annotated cells that are alike decide together; return the label of each.

    Parameters
    ----------
    adata
        Annotated cells.
    model
        That annotated them.
    use_rep
        Space in which they are alike, by default that of their RNA.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = scmm.tl.refine(adata, use_rep=use_rep, threshold=0.0, model=model, copy=True)
    return found.obs["scmm_refined"].astype(str).to_numpy()


def add_total_vi(adata: AnnData, proteins: str, *, epochs: int, seed: int) -> None:
    """Learn one space from RNA and proteins, and leave it in `obsm`.

    Parameters
    ----------
    adata
        Counts.
    proteins
        Key of `adata.obsm` with counts of proteins.
    epochs
        Of totalVI.
    seed
        Of its training.
    """
    scvi = open_scvi(seed)
    from lightning.pytorch.loggers.logger import DummyLogger

    counts = adata.X.tocsr()
    cells = AnnData(counts[:, most_variable(counts)].tocsr().astype(np.float32))
    cells.obsm["proteins"] = adata.obsm[proteins].to_numpy(dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scvi.model.TOTALVI.setup_anndata(cells, protein_expression_obsm_key="proteins")
        model = scvi.model.TOTALVI(cells)
        # It writes its learning rate down, and wants to be given where.
        model.train(max_epochs=epochs, **{**TRAINING, "logger": DummyLogger()})
        adata.obsm[LATENT] = model.get_latent_representation()
