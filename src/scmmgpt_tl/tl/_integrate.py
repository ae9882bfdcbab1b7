"""Bringing the batches of a data set together, label by label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scanpy import logging as logg

from scmmgpt_tl._columns import read_full_column
from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import IntegrationKeys
from scmmgpt_tl._results import Results
from scmmgpt_tl._settings import settings

from ._chosen_model import load
from ._groups import read_groups
from ._integration.label_shift import beside, remove_shifts
from ._integration.said import read_said
from ._integration.scanvi import choose_seeds, open_scvi, read_counts, train_scanvi
from ._labels import UNKNOWN
from ._on_files import takes_paths
from ._refinement.place import principal_components, read_place
from ._session import open_session

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._groups import Groups
    from ._integration.said import Said
    from ._on_files import Paths
    from ._session import Session

Method = Literal["linear", "scanvi"]


@takes_paths(at_once=True, columns=["batch_key"], keys=["key", "use_rep"])
@doc_params(adata=ADATA_OR_PATH)
def integrate(
    adata: AnnData | MuData | Paths,
    batch_key: str,
    *,
    method: Method = "linear",
    key: str | None = None,
    use_rep: str | None = None,
    max_epochs: int | None = None,
    rng: int | np.random.Generator | None = 0,
    save: str | Path | None = None,
    model: Model | str | Path | None = None,
    key_added: str = "X_scmm_integrated",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Bring the batches of a data set together, and keep apart what the model tells apart by text.

    What sets two batches apart may be the technique, or that they hold other cells. The model tells
    one from the other: it says of every cell, without a look at its batch, which labels it may have,
    and batches are compared inside labels only. No label of yours is read unless it is part of the
    annotation that `key` names.

    `method="linear"` trains nothing. Principal components of the counts, beside the model's
    embedding, lose the shift that the labels of a batch share, and then what a label has of its own.
    The result depends on the cells, not on their order.

    `method="scanvi"` trains scVI and then scANVI of scvi-tools on the raw counts of the 2,000 genes
    that vary most; labels are those that the model is sure of, all other cells are `"unknown"`.
    The latent space lies beside the model's embedding, both with the same total variance.

    :ref:`The benchmarks <integration-benchmark>` say what both are worth beside Harmony, scVI and the
    principal components as they are.

    Parameters
    ----------
    {adata}
    batch_key
        Column of `.obs` with the batch of every cell.
    method
        `"linear"`, in seconds, or `"scanvi"`, in minutes, with raw counts and the extra `scvi`.
    key
        The `key_added` of an annotation of all these cells by :func:`annotate` or :func:`refine`,
        whose labels are used. By default the model chooses among its own.
        scANVI is shown the labels that are not `"unknown"`: a higher `threshold` there is one here.
    use_rep
        Key of `.obsm` with the representation to correct in place of the default one, such as
        `"X_pca"`. For `"linear"` only.
    max_epochs
        Epochs of scVI; by default scvi-tools decides, as it does on those of scANVI.
    rng
        Seed or generator of the training: the same one gives the same result.
    save
        Folder to make, for the trained model and the counts it reads:
        `scvi.model.SCANVI.load(save)` goes on with it.
    {model}
    {key_added}
    {layer}
    {counts}
    {gene_symbols}
    {species}
    {mod}
    {batch_size}
    {copy}

    Returns
    -------
    Returns `None` if `copy=False`, else a copy of `adata`, of a path the results without the genes.
    Sets the following fields:

    `adata.obsm['X_scmm_integrated' | key_added]` : :class:`numpy.ndarray` (dtype `float32`)
        One row per cell. With `"linear"` cells with too few genes lie in the middle.
    `adata.obsm['X_scmm_integrated_latent' | key_added + '_latent']` : :class:`numpy.ndarray` (dtype `float32`)
        With `"scanvi"` the latent space by itself.
    `adata.obs['X_scmm_integrated_seed' | key_added + '_seed']` : :class:`pandas.Series` (dtype `category`)
        With `"scanvi"` the label that each cell was shown with, or `"unknown"`.
    `adata.obs['X_scmm_integrated_coverage' | key_added + '_coverage']` : :class:`pandas.Series` (dtype `float32`)
        Share of the cell's expression that the model could read; see :doc:`/user_guide/input`.
    `adata.uns['X_scmm_integrated' | key_added]` : :class:`dict`
        `params` of the call; `genes`, the report of the gene matching; `batches`, a frame with
        `batch`, `n_cells` and, with `"linear"`, `moved`, how far its cells were moved in the mean
        (1 is how far cells lie from the middle, as a root mean square); with `"scanvi"`,
        `seeds`, a frame with `label` and `n_cells`.

    Raises
    ------
    ImportError
        `method="scanvi"` without scvi-tools.
    FileExistsError
        Something lies at `save`.
    ValueError
        There are not two batches, a cell has none, an argument belongs to the other method, or the
        values, genes or labels cannot be used; the message says why.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:100].copy()
    >>> adata.obs["batch"] = ["one", "two"] * 50
    >>> scmm.tl.integrate(adata, "batch")
    >>> adata.uns["X_scmm_integrated"]["batches"]["n_cells"].tolist()
    [50, 50]

    See Also
    --------
    scanpy.pp.neighbors : takes the result by `use_rep="X_scmm_integrated"`.
    """
    keys = IntegrationKeys(key_added)
    _check(method, use_rep=use_rep, max_epochs=max_epochs, save=save)
    session = open_session(
        adata,
        model=load(model),
        layer=layer,
        counts=counts,
        gene_symbols=gene_symbols,
        species=species,
        mod=mod,
        copy=copy,
    )
    own = session.adata
    batches = _read_batches(own.obs, batch_key)
    own_place = None if use_rep is None else read_place(own, use_rep)
    if method == "scanvi":
        _check_whole(session)
    start = logg.info(f"integrating {len(batches.names)} batches of {session.n_obs} cells")
    said = read_said(session, key, vectors=use_rep is None, batch_size=batch_size)
    table = pd.DataFrame({"batch": list(batches.names), "n_cells": batches.sizes})
    places: dict[str, NDArray[np.floating]] = {}
    columns: dict[str, Any] = {keys.coverage: said.coverage}
    tables = {"genes": session.prepared.gene_report.summary(), "batches": table}
    if method == "linear":
        places[keys.obsm], moved = _linear(session, said, batches, place=own_place)
        table["moved"] = moved
    else:
        seeds = choose_seeds(said)
        labelled = pd.DataFrame(
            {batch_key: np.array(batches.names)[batches.codes], keys.seed: seeds}, own.obs_names
        )
        latent = _scanvi(session, labelled, max_epochs=max_epochs, rng=rng, save=save)
        places |= {keys.obsm: beside([latent, said.vectors]), keys.latent: latent}
        columns[keys.seed] = pd.Categorical(seeds)
        shown = pd.Series(seeds[seeds != UNKNOWN]).value_counts().sort_index()
        tables["seeds"] = pd.DataFrame({"label": list(shown.index), "n_cells": shown.to_numpy()})
    params = session.params(
        batch_key=batch_key,
        method=method,
        key=key,
        use_rep=use_rep,
        max_epochs=max_epochs,
        rng=rng if isinstance(rng, int) else None,
        save=save,
        key_added=key_added,
    )
    results = Results(obs=columns, obsm=places, uns={keys.uns: {"params": params, **tables}})
    results.write(session.found, start=start)
    return session.data if copy else None


def _linear(
    session: Session, said: Said, batches: Groups, *, place: NDArray[np.float32] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places without the batches' shifts, and how far each batch was moved in the mean."""
    rows = np.flatnonzero(said.readable)
    if not rows.size:
        msg = "No cell has enough genes that the model knows; see the reasons `tl.annotate` gives."
        raise ValueError(msg)
    if place is None:
        components = principal_components(session.prepared, rows)
        before = beside([components, said.vectors[rows]])
    else:
        before = beside([place[rows]])
    codes = batches.codes[rows]
    after = remove_shifts(before, said.p[rows], codes)
    sums = np.bincount(codes, np.linalg.norm(after - before, axis=1), minlength=len(batches.names))
    moved = sums / np.maximum(np.bincount(codes, minlength=len(batches.names)), 1)
    found = np.zeros((session.n_obs, after.shape[1]))
    found[rows] = after
    return found, moved / np.sqrt(np.square(before).sum(1).mean() or 1.0)


def _scanvi(
    session: Session,
    labelled: pd.DataFrame,
    *,
    max_epochs: int | None,
    rng: int | np.random.Generator | None,
    save: str | Path | None,
) -> NDArray[np.float32]:
    """Latent space of scANVI, told batches and labels; the model is saved where it is wanted."""
    layer = session.prepared.count_report.layer
    trained, latent = train_scanvi(
        read_counts(session.prepared.adata, layer, labelled.astype("category")),
        layer=layer,
        max_epochs=max_epochs,
        seed=int(np.random.default_rng(rng).integers(2**31)),
        device=str(session.loaded.device),
        progress=settings.show_progress,
    )
    if save is not None:
        trained.save(str(save), save_anndata=True)
    return latent


def _read_batches(obs: pd.DataFrame, batch_key: str) -> Groups:
    read_full_column(obs, batch_key, argument="batch_key")
    batches = read_groups(obs, batch_key, argument="batch_key")
    if len(batches.names) < 2:
        msg = (
            f".obs[{batch_key!r}] has one batch, {batches.names[0]!r}: there is nothing to integrate. "
            "Name another column, or use `scmm.tl.embed`."
        )
        raise ValueError(msg)
    return batches


def _check(
    method: str,
    *,
    use_rep: str | None,
    max_epochs: int | None,
    save: str | Path | None,
) -> None:
    """Refuse arguments that cannot be meant, before anything slow is done."""
    if method not in {"linear", "scanvi"}:
        msg = f"`method` must be 'linear' or 'scanvi', not {method!r}."
        raise ValueError(msg)
    belongs: dict[str, dict[str, object]] = {
        "linear": {"use_rep": use_rep},
        "scanvi": {"max_epochs": max_epochs, "save": save},
    }
    for other in belongs.keys() - {method}:
        for name, value in belongs[other].items():
            if value is not None:
                msg = f"`{name}` is for `method={other!r}`; leave it out with {method!r}."
                raise ValueError(msg)
    if max_epochs is not None and (not isinstance(max_epochs, int) or max_epochs < 1):
        msg = f"`max_epochs` must be a whole number, 1 or more, not {max_epochs!r}."
        raise ValueError(msg)
    if save is not None and Path(save).exists():
        msg = f"{str(save)!r} exists already. Choose another folder for `save`."
        raise FileExistsError(msg)
    if method == "scanvi":
        open_scvi()


def _check_whole(session: Session) -> None:
    report = session.prepared.count_report
    if report.kind != "counts":
        msg = (
            f"scVI is a model of raw counts, but {report.message} Pass `layer=` to name the layer that "
            "holds counts, or leave `method` at 'linear'."
        )
        raise ValueError(msg)
