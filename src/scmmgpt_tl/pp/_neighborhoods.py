"""Spots taken together with those around them."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scmmgpt_tl._columns import read_full_column
from scmmgpt_tl._matrix import get_matrix, row_blocks

from ._counts import check_counts
from ._readable import refuse_unreadable

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

GRAPH = "spatial_connectivities"
# Where squidpy keeps pictures of the slide, and SpatialData what the rows of a table stand for.
OF_SLIDES = ("spatial", "spatialdata_attrs")
BLOCK = 2048


def neighborhoods(
    adata: AnnData,
    n_neighbors: int = 6,
    *,
    basis: str = "spatial",
    connectivities_key: str | None = None,
    library_key: str | None = None,
    layer: str | None = None,
) -> AnnData:
    """Add to the counts of every spot those of the spots around it.

    What is too thin in a spot, or in a cell of a small panel, is read in its neighbourhood: all
    tools take what this returns, such as :func:`scmmgpt_tl.tl.describe`.

    Parameters
    ----------
    adata
        Spots or cells x genes, with raw counts and places.
    n_neighbors
        How many to add, the nearest first.
    basis
        Key of the places in `adata.obsm`.
    connectivities_key
        Key of a graph in `adata.obsp` to take instead of the nearest, whatever its weights.
        By default `"spatial_connectivities"` where there is one, as squidpy leaves it.
    library_key
        Column of `.obs` that says which slide a spot is on: spots of others are no neighbours.
    layer
        Layer that holds the counts, as in :func:`check_counts`.

    Returns
    -------
    A new object of the same spots and genes, with `X` (sparse, `float32`) and copies of `obs`,
    `var`, `obsm` and what squidpy and SpatialData keep in `uns`; `obs['n_neighbors']` counts what
    was added.

    Raises
    ------
    TypeError
        It is a path: open the file first.
    ValueError
        Places, graph, column or raw counts are missing.

    Examples
    --------
    >>> import numpy as np
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:20].copy()
    >>> adata.obsm["spatial"] = np.random.default_rng(0).uniform(size=(20, 2))
    >>> near = scmm.pp.neighborhoods(adata, 3)
    >>> float(near.obs["n_neighbors"].median())
    3.0
    """
    from anndata import AnnData

    report = check_counts(adata, layer=layer)
    if report.log_base is not None:
        msg = f"{report.slot} holds logarithms, which do not add up. Name raw counts in `layer`."
        raise ValueError(msg)
    slides = _slides(adata, library_key)
    graph = _given(adata, connectivities_key)
    if graph is None:
        graph = _nearest(_places(adata, basis), n_neighbors, slides)
    near = _ones(graph, slides)
    blocks = [sparse.csr_matrix((0, adata.n_vars), dtype=np.float32)]
    for start, stop, block in row_blocks(get_matrix(adata, report.layer), BLOCK):
        refuse_unreadable(block, np.arange(start, stop), adata=adata, slot=report.slot)
        blocks.append(block)
    own = sparse.vstack(blocks)
    obs = adata.obs.copy()
    obs["n_neighbors"] = np.asarray(near.sum(axis=1)).ravel().astype(np.int64)
    kept = {key: deepcopy(adata.uns[key]) for key in OF_SLIDES if key in adata.uns}
    pooled = sparse.csr_matrix(own + near @ own, dtype=np.float32)
    made = AnnData(pooled, obs=obs, var=adata.var.copy(), uns=kept)
    for key, value in adata.obsm.items():
        # Names of cells that were no texts are texts now.
        named = isinstance(value, pd.DataFrame)
        made.obsm[key] = value.set_axis(made.obs_names) if named else value.copy()
    return made


def _given(adata: AnnData, connectivities_key: str | None) -> sparse.coo_matrix | None:
    if connectivities_key is None:
        return sparse.coo_matrix(adata.obsp[GRAPH]) if GRAPH in adata.obsp else None
    if connectivities_key not in adata.obsp:
        there = ", ".join(map(repr, adata.obsp)) or "nothing"
        msg = (
            f"Did not find adata.obsp[{connectivities_key!r}] of `connectivities_key`; `.obsp` has "
            f"{there}."
        )
        raise ValueError(msg)
    return sparse.coo_matrix(adata.obsp[connectivities_key])


def _ones(graph: sparse.coo_matrix, slides: NDArray[Any]) -> sparse.csr_matrix:
    """Return who is near whom on the same slide, (spots, spots), ones without the diagonal."""
    keep = (graph.data != 0) & (graph.row != graph.col) & (slides[graph.row] == slides[graph.col])
    pairs = graph.row[keep], graph.col[keep]
    return sparse.csr_matrix((np.ones(int(keep.sum()), np.float32), pairs), shape=graph.shape)


def _nearest(
    places: NDArray[np.float64], n_neighbors: int, slides: NDArray[Any]
) -> sparse.coo_matrix:
    from sklearn.neighbors import kneighbors_graph

    if not isinstance(n_neighbors, int | np.integer) or n_neighbors < 1:
        msg = f"`n_neighbors` must be a whole number, 1 or more, not {n_neighbors!r}."
        raise ValueError(msg)
    rows, columns = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for slide in np.unique(slides):
        here = np.flatnonzero(slides == slide)
        n = min(int(n_neighbors), len(here) - 1)
        if n > 0:
            found = kneighbors_graph(places[here], n).tocoo()
            rows.append(here[found.row])
            columns.append(here[found.col])
    from_, to = np.concatenate(rows), np.concatenate(columns)
    return sparse.coo_matrix((np.ones(len(to)), (from_, to)), shape=(len(places),) * 2)


def _places(adata: AnnData, basis: str) -> NDArray[np.float64]:
    if basis not in adata.obsm:
        there = ", ".join(map(repr, adata.obsm)) or "nothing"
        msg = f"Did not find adata.obsm[{basis!r}] of `basis`; `.obsm` has {there}."
        raise ValueError(msg)
    places = np.asarray(adata.obsm[basis], dtype=np.float64)
    if not np.isfinite(places).all():
        msg = f"adata.obsm[{basis!r}] holds missing places. Leave these spots out."
        raise ValueError(msg)
    return places


def _slides(adata: AnnData, library_key: str | None) -> NDArray[Any]:
    if library_key is None:
        return np.zeros(adata.n_obs, dtype=np.intp)
    slides = read_full_column(adata.obs, library_key, argument="library_key")
    codes: NDArray[np.intp] = slides.astype("category").cat.codes.to_numpy()
    return codes
