"""Embeddings that cells are integrated with, each from a study to one vector a cell."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import scanpy as sc
from _data import read_query
from _scanvi import whole_numbers
from _scvi import TRAINING, open_scvi
from anndata import AnnData
from scipy import sparse

import scmmgpt_tl as scmm
from scmmgpt_tl._input import prepare
from scmmgpt_tl.tl._integration.label_shift import beside, remove_shifts
from scmmgpt_tl.tl._refinement.place import principal_components

if TYPE_CHECKING:
    from _data import Study
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

COMPONENTS, VARIABLE_GENES, LATENT = 50, 2000, 10


def by_model(study: Study, *, model: Model) -> NDArray[np.floating]:
    """Return `X_scmm`, which looks at no other cell and at no batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = scmm.tl.embed(study.adata, model=model, counts=study.counts, copy=True)
    return found.obsm["X_scmm"]


def by_integrating(
    study: Study,
    batch: NDArray[np.str_],
    *,
    model: Model,
    named: bool = False,
    slot: str = "X_scmm_integrated",
    **more: Any,
) -> NDArray[np.floating] | None:
    """Return what `tl.integrate` makes of the cells, with labels that the model gave them.

    Nothing comes of it where the model is sure of too few cells to show any to scANVI.

    Parameters
    ----------
    study, batch
        Cells, and the batch of each.
    model
        Ours.
    named
        Whether it chooses among the names of the study's labels; else among its own.
    slot
        Which of its results.
    more
        Further arguments.
    """
    adata = study.adata.copy()
    adata.obs["batch"] = batch
    key = "chosen" if named else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        if named:
            scmm.tl.annotate(
                adata, list(study.asked), model=model, counts=study.counts, key_added="chosen"
            )
        if more.get("method") == "scanvi":
            adata.X = whole_numbers(sparse.csr_matrix(adata.X))
        try:
            scmm.tl.integrate(adata, "batch", key=key, model=model, counts=study.counts, **more)
        except ValueError as error:
            if "sure cells" not in str(error):
                raise
            return None
    return adata.obsm[slot]


def by_batch_means(study: Study, batch: NDArray[np.str_], *, model: Model) -> NDArray[np.floating]:
    """Return what the linear mode makes of cells that all have the same label."""
    place = _components_and_embedding(study, model)
    codes = np.unique(batch, return_inverse=True)[1]
    return remove_shifts(place, np.ones((len(place), 1)), codes)


def by_harmony_on_both(
    study: Study, batch: NDArray[np.str_], *, model: Model, seed: int
) -> NDArray[np.floating]:
    """Return what Harmony makes of the representation that the linear mode starts from."""
    return _harmonize(_components_and_embedding(study, model), batch, seed=seed)


def _components_and_embedding(study: Study, model: Model) -> NDArray[np.floating]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        prepared = prepare(study.adata, genes=model.genes, counts=study.counts)
    components = principal_components(prepared, np.arange(study.adata.n_obs))
    return beside([components, by_model(study, model=model)])


def by_pca(study: Study, *, model: Model, seed: int) -> NDArray[np.floating]:
    """Return principal components of the most variable genes, `log1p(CP10k)`."""
    adata = _variable(_expression(study, model))
    n = min(COMPONENTS, adata.n_obs - 1, adata.n_vars - 1)
    sc.pp.pca(adata, n_comps=n, random_state=seed)
    return adata.obsm["X_pca"]


def by_harmony(
    study: Study, batch: NDArray[np.str_], *, model: Model, seed: int
) -> NDArray[np.floating]:
    """Return principal components that Harmony has corrected for the batch."""
    return _harmonize(by_pca(study, model=model, seed=seed), batch, seed=seed)


def _harmonize(
    vectors: NDArray[np.floating], batch: NDArray[np.str_], *, seed: int
) -> NDArray[np.floating]:
    import harmonypy
    import pandas as pd

    meta = pd.DataFrame({"batch": batch})
    found = harmonypy.run_harmony(vectors, meta, "batch", random_state=seed, verbose=False)
    corrected = np.asarray(found.Z_corr)
    # Older releases return it the other way round.
    return corrected if len(corrected) == len(batch) else corrected.T


def by_scvi(
    study: Study, batch: NDArray[np.str_] | None, *, model: Model, epochs: int, seed: int
) -> NDArray[np.floating]:
    """Return the latent space of scVI, which knows the batch where there is one."""
    scvi = open_scvi(seed)
    adata = _expression(study, model)
    adata.X = whole_numbers(adata.X)
    adata = adata[:, _variable(adata).var_names].copy()
    if batch is not None:
        adata.obs["batch"] = batch
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scvi.model.SCVI.setup_anndata(adata, batch_key=None if batch is None else "batch")
        vae = scvi.model.SCVI(adata, n_latent=LATENT)
        vae.train(max_epochs=epochs, **TRAINING)
        return vae.get_latent_representation()


def _expression(study: Study, model: Model) -> AnnData:
    """Linear expression of the measured genes of the model: what the model reads, too."""
    query = read_query(study, model.genes)
    adata = AnnData(query.counts[:, np.flatnonzero(query.measured)].tocsr())
    adata.obs_names = study.adata.obs_names
    return adata


def _variable(linear: AnnData) -> AnnData:
    """Return `log1p(CP10k)` of the most variable genes."""
    adata = linear.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.filter_genes(adata, min_cells=3)
    sc.pp.highly_variable_genes(adata, n_top_genes=min(VARIABLE_GENES, adata.n_vars))
    return adata[:, adata.var["highly_variable"]].copy()
