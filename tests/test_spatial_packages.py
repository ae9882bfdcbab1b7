"""Objects of squidpy and SpatialData, where these are installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

import scmmgpt_tl as scmm

LABELS = ["T cell", "B cell", "monocyte"]

# What these packages, and theirs, say of their own next releases.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def slide(counts_adata):
    """Sixty spots on a grid of two slides."""
    places = [(i % 30 % 6, i % 30 // 6) for i in range(60)]
    counts_adata.obsm["spatial"] = np.array(places, dtype=float)
    counts_adata.obs["slide"] = pd.Categorical(np.repeat(["one", "two"], 30))
    return counts_adata


@pytest.mark.skipif(find_spec("squidpy") is None, reason="squidpy is not installed")
def test_a_graph_that_squidpy_made(slide, tiny_model):
    import squidpy as sq

    sq.gr.spatial_neighbors(slide, coord_type="grid", n_neighs=4, library_key="slide")
    graph = slide.obsp["spatial_connectivities"]
    near = scmm.pp.neighborhoods(slide)
    degree = np.asarray(graph.sum(axis=1)).ravel()
    np.testing.assert_array_equal(near.obs["n_neighbors"], degree)
    # Corners, edges and the middle of two slides of five by six.
    assert near.obs["n_neighbors"].value_counts().to_dict() == {2: 8, 3: 28, 4: 24}
    beside = slide[graph[7].indices.tolist()]
    expected = slide.X[7].toarray() + beside.X.toarray().sum(axis=0)
    np.testing.assert_array_equal(near.X[7].toarray(), expected)
    scmm.tl.deconvolve(near, LABELS, model=tiny_model)
    scmm.tl.annotate(slide, LABELS, model=tiny_model, threshold=0.0)
    # squidpy reads the labels as it reads those of anybody.
    sq.gr.nhood_enrichment(slide, "scmm_cell_type", n_perms=5, seed=0, show_progress_bar=False)
    assert "scmm_cell_type_nhood_enrichment" in slide.uns


@pytest.mark.skipif(find_spec("spatialdata") is None, reason="spatialdata is not installed")
def test_a_table_of_spatialdata(slide, tiny_model, tmp_path):
    import spatialdata as sd
    from spatialdata.models import ShapesModel, TableModel

    slide.obs["region"] = pd.Categorical(["spots"] * 60)
    slide.obs["spot"] = np.arange(60)
    shapes = ShapesModel.parse(slide.obsm["spatial"], geometry=0, radius=0.5)
    table = TableModel.parse(slide, region="spots", region_key="region", instance_key="spot")
    sdata = sd.SpatialData(shapes={"spots": shapes}, tables={"table": table})
    scmm.tl.annotate(sdata["table"], LABELS, model=tiny_model, threshold=0.0)
    scmm.tl.deconvolve(sdata["table"], LABELS, model=tiny_model)
    # A table without places has those of its shapes.
    del sdata["table"].obsm["spatial"]
    centroids = sd.get_centroids(sdata["spots"]).compute()
    sdata["table"].obsm["spatial"] = centroids.loc[sdata["table"].obs["spot"]].to_numpy()
    sdata["near"] = scmm.pp.neighborhoods(sdata["table"], 4)
    sdata.write(tmp_path / "slide.zarr")
    found = sd.read_zarr(tmp_path / "slide.zarr")
    for name in ("scmm_cell_type", "scmm_mixture"):
        expected = sdata["table"].obs[name].astype(str)
        assert (found["table"].obs[name].astype(str) == expected).all()
    mixture = scmm.get.mixture_df(found["table"])
    np.testing.assert_allclose(mixture, scmm.get.mixture_df(sdata["table"]))
    assert (found["near"].X != sdata["near"].X).nnz == 0
    assert found["near"].uns["spatialdata_attrs"]["region_key"] == "region"
