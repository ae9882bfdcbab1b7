"""Counts of spots with those around them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from scmmgpt_tl.pp import neighborhoods

COUNTS = np.array([[1, 0], [2, 1], [0, 4], [8, 0]])


@pytest.fixture
def spots() -> AnnData:
    """Four in a row, the last two farther away, two on each slide."""
    obs = pd.DataFrame({"slide": ["a", "a", "b", "b"]}, index=list("wxyz"))
    places = np.array([[0.0, 0], [1, 0], [3, 0], [6, 0]])
    return AnnData(csr_matrix(COUNTS.astype(np.float32)), obs=obs, obsm={"spatial": places})


def test_the_nearest_is_added(spots):
    near = neighborhoods(spots, 1)
    np.testing.assert_array_equal(near.X.toarray(), [[3, 1], [3, 1], [2, 5], [8, 4]])
    assert near.obs["n_neighbors"].tolist() == [1, 1, 1, 1]
    assert list(near.obs_names) == list(spots.obs_names)
    np.testing.assert_array_equal(near.obsm["spatial"], spots.obsm["spatial"])
    np.testing.assert_array_equal(spots.X.toarray(), COUNTS)
    assert "n_neighbors" not in spots.obs


def test_what_squidpy_and_spatialdata_keep_is_kept(spots):
    spots.uns = {"spatial": {"a": {"scalefactors": {"s": 2}}}, "spatialdata_attrs": {"region": "x"}}
    spots.uns["scmm_mixture"] = {"n_genes": 3}
    near = neighborhoods(spots, 1)
    assert dict(near.uns) == {key: spots.uns[key] for key in ("spatial", "spatialdata_attrs")}
    near.uns["spatial"]["a"]["scalefactors"]["s"] = 3
    assert spots.uns["spatial"]["a"]["scalefactors"]["s"] == 2


def test_more_neighbours_than_spots_are_all(spots):
    np.testing.assert_array_equal(neighborhoods(spots).X.toarray(), [COUNTS.sum(axis=0)] * 4)


def test_spots_of_other_slides_are_no_neighbours(spots):
    near = neighborhoods(spots, 2, library_key="slide")
    np.testing.assert_array_equal(near.X.toarray(), [[3, 1], [3, 1], [8, 4], [8, 4]])


def test_a_graph_of_squidpy_comes_first_and_weights_do_not_count(spots):
    graph = np.zeros((4, 4))
    graph[0, 3], graph[3, 0], graph[1, 1] = 0.2, 0.7, 1
    spots.obsp["spatial_connectivities"] = csr_matrix(graph)
    near = neighborhoods(spots)
    np.testing.assert_array_equal(near.X.toarray(), [[9, 0], [2, 1], [0, 4], [9, 0]])
    assert near.obs["n_neighbors"].tolist() == [1, 0, 0, 1]
    near = neighborhoods(spots, library_key="slide")
    np.testing.assert_array_equal(near.X.toarray(), COUNTS)


def test_counts_of_a_layer(spots):
    spots.layers["counts"] = spots.X.copy()
    spots.X = spots.X.log1p()
    np.testing.assert_array_equal(neighborhoods(spots, 1).X.toarray()[0], [3, 1])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"basis": "X_umap"}, r"adata.obsm\['X_umap'\] of `basis`; `.obsm` has 'spatial'"),
        ({"connectivities_key": "near"}, r"adata.obsp\['near'\] .* `.obsp` has nothing"),
        ({"library_key": "donor"}, r"\.obs\['donor'\]. Choose `library_key` from slide"),
        ({"n_neighbors": 0}, "`n_neighbors` must be a whole number, 1 or more, not 0"),
        ({"n_neighbors": 1.5}, "not 1.5"),
    ],
)
def test_what_is_missing_is_named(spots, options, match):
    with pytest.raises(ValueError, match=match):
        neighborhoods(spots, **options)


def test_missing_places_are_refused(spots):
    spots.obsm["spatial"][0, 0] = np.nan
    with pytest.raises(ValueError, match="holds missing places"):
        neighborhoods(spots)


def test_a_bad_value_in_a_cell_that_was_not_looked_at_is_named(spots):
    many = AnnData(
        np.tile(COUNTS[0].astype(np.float32), (2000, 1)),
        obsm={"spatial": np.zeros((2000, 2))},
    )
    unseen = sorted(set(range(2000)) - set(np.linspace(0, 1999, 512).astype(int).tolist()))[-1]
    many.X[unseen, 0] = -1
    with pytest.raises(
        ValueError, match=rf"X holds 1 negative, .* in cell '{many.obs_names[unseen]}'"
    ):
        neighborhoods(many, 1)
