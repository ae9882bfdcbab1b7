"""Blocks of a dask array that workers read give what the whole gives here."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

import scmmgpt_tl as scmm

from .conftest import assert_same

BY_CELL = {
    "annotate": scmm.tl.annotate,
    "annotate-labels": lambda cells, **more: scmm.tl.annotate(cells, ["T cell", "B cell"], **more),
    "annotate-groups": lambda cells, **more: scmm.tl.annotate(cells, None, "cluster", **more),
    "embed": scmm.tl.embed,
    "search": lambda cells, **more: scmm.tl.search(cells, "T cell", **more),
}


def in_blocks(adata, size: tuple[int, int]) -> ad.AnnData:
    """The same cells, in a dask array."""
    da = pytest.importorskip("dask.array")
    chunked = adata.copy()
    chunked.X = da.from_array(adata.X, chunks=size, asarray=False)
    return chunked


@pytest.fixture(params=BY_CELL.values(), ids=BY_CELL.keys())
def by_cell(request, tiny_bundle):
    return lambda cells, **more: request.param(cells, model=tiny_bundle, **more)


def test_every_tool_gives_what_it_gives_here(poor_adata, by_cell, dask_client):
    chunked = in_blocks(poor_adata, (17, poor_adata.n_vars))
    assert by_cell(chunked, client=dask_client) is None
    by_cell(poor_adata)
    assert_same(poor_adata, chunked, exact=False)


@pytest.mark.parametrize("size", [(60, 400), (7, 100)], ids=["one block", "blocks of genes"])
def test_blocks_do_not_matter(poor_adata, tiny_bundle, dask_client, size):
    poor_adata.X = poor_adata.X.toarray()
    chunked = in_blocks(poor_adata, size)
    scmm.tl.embed(chunked, model=tiny_bundle, client=dask_client, batch_size=5)
    scmm.tl.embed(poor_adata, model=tiny_bundle)
    assert_same(poor_adata, chunked, exact=False)


def test_layer_copy_and_no_cells(poor_adata, tiny_bundle, dask_client):
    chunked = in_blocks(poor_adata, (17, poor_adata.n_vars))
    chunked.layers["counts"], chunked.X = chunked.X, None
    found = scmm.tl.search(chunked, "B cell", model=tiny_bundle, client=dask_client, copy=True)
    scmm.tl.search(poor_adata, "B cell", model=tiny_bundle)
    np.testing.assert_allclose(
        found.obs["scmm_search"], poor_adata.obs["scmm_search"], rtol=0, atol=1e-5
    )
    assert "scmm_search" not in chunked.obs
    empty = in_blocks(poor_adata[:0].copy(), (17, poor_adata.n_vars))
    assert scmm.tl.embed(empty, model=tiny_bundle, client=dask_client, copy=True).n_obs == 0


def test_bad_value_is_named_by_its_place_among_all_cells(counts_adata, tiny_bundle, dask_client):
    cells = ad.concat([counts_adata] * 10, index_unique="-")
    # One that the check of a sample misses.
    sampled = np.linspace(0, 599, 512).astype(int)
    bad = max(set(range(600)) - set(sampled))
    cells.X[bad, 7] = -1
    chunked = in_blocks(cells, (50, cells.n_vars))
    before = chunked.copy()
    name = rf"cells 550 to 599; the first .* in cell '{cells.obs_names[bad]}'"
    with pytest.raises(ValueError, match=name):
        scmm.tl.embed(chunked, model=tiny_bundle, client=dask_client)
    assert not chunked.uns
    assert list(chunked.obsm) == list(before.obsm)


def test_values_in_memory_are_refused(counts_adata, tiny_bundle, dask_client):
    with pytest.raises(TypeError, match=r"a dask array, but X is a csr_matrix. Leave `client` out"):
        scmm.tl.embed(counts_adata, model=tiny_bundle, client=dask_client)
