"""How well an embedding keeps cell types apart and mixes batches, by scib-metrics."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from _data import Study
    from numpy.typing import NDArray

NEIGHBOURS = 15
FEWEST_IN_BATCH = 3
# Share of the cells whose type is in more than one batch.
SHARED = 0.5


def batches_of(study: Study) -> NDArray[np.str_] | None:
    """Return the batch of each cell where mixing batches is right: most types are in several.

    Parameters
    ----------
    study
        With `obs["batch"]`, or else `obs["donor"]`.
    """
    for column in ("batch", "donor"):
        if column not in study.adata.obs:
            continue
        batch = study.adata.obs[column].astype(str).to_numpy()
        names, codes = np.unique(batch, return_inverse=True)
        counted = np.zeros((len(study.labels), len(names)), dtype=int)
        np.add.at(counted, (study.truth, codes), 1)
        in_several = (counted >= FEWEST_IN_BATCH).sum(axis=1) > 1
        if in_several[study.truth].mean() >= SHARED:
            return batch
    return None


def score_types(vectors: NDArray[np.floating], labels: NDArray[np.str_]) -> dict[str, float]:
    """Score how well clusters are cell types; AvgBIO is the mean of the three.

    Parameters
    ----------
    vectors
        Of each cell, (cells, width).
    labels
        Type of each cell, (cells,).
    """
    import scib_metrics

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = scib_metrics.nmi_ari_cluster_labels_leiden(_neighbours(vectors), labels)
        silhouette = scib_metrics.silhouette_label(np.asarray(vectors, np.float32), labels)
    scores = {"nmi": found["nmi"], "ari": found["ari"], "silhouette": silhouette}
    return {**_plain(scores), "avg_bio": float(np.mean(list(scores.values())))}


def score_batches(
    vectors: NDArray[np.floating], labels: NDArray[np.str_], batch: NDArray[np.str_]
) -> dict[str, float]:
    """Score how well batches mix inside cell types; AvgBATCH is the mean of the two.

    Parameters
    ----------
    vectors
        Of each cell, (cells, width).
    labels, batch
        Type and batch of each cell, (cells,).
    """
    import scib_metrics

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = {
            "silhouette_batch": scib_metrics.silhouette_batch(
                np.asarray(vectors, np.float32), labels, batch
            ),
            "connectivity": scib_metrics.graph_connectivity(_neighbours(vectors), labels),
        }
    return {**_plain(scores), "avg_batch": float(np.mean(list(scores.values())))}


def _neighbours(vectors: NDArray[np.floating]) -> object:
    """Exact nearest neighbours, the cell itself first, as scib-metrics reads them."""
    from scib_metrics.nearest_neighbors import NeighborsResults

    n = min(NEIGHBOURS, len(vectors))
    distances, indices = NearestNeighbors(n_neighbors=n).fit(vectors).kneighbors(vectors)
    return NeighborsResults(indices=indices, distances=distances)


def _plain(scores: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in scores.items()}
