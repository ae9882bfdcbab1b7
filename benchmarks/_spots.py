"""Spots made of real cells, whose shares are known, and how near an answer comes to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse
from scipy.spatial.distance import jensenshannon

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_CELLS, MOST_CELLS = 4, 10
DEPTH = 3000
N_REGIONS = 3


class Spots(NamedTuple):
    """Spots, and what they are made of.

    Parameters
    ----------
    counts
        (spots, genes).
    shares
        Of the counts that came from cells of each label, (spots, labels).
    """

    counts: sparse.csr_matrix
    shares: NDArray[np.float64]


def make_spots(
    counts: sparse.csr_matrix, truth: NDArray[np.int64], *, n_labels: int, n_spots: int, seed: int
) -> Spots:
    """Add up cells, as a slide does, and thin the sums.

    Three regions have compositions of their own, in which few types are common and most are rare,
    and each spot of a region differs from it by chance.

    Parameters
    ----------
    counts
        Of the cells, (cells, genes).
    truth
        Label of each cell, (cells,).
    n_labels
        How many labels there are.
    n_spots
        Spots to make.
    seed
        Decides which.
    """
    rng = np.random.default_rng([seed, 21])
    present = np.unique(truth)
    whole = rng.dirichlet(np.full(len(present), 0.7))
    regions = [rng.dirichlet(6 * whole + 0.02) for _ in range(N_REGIONS)]
    made, shares = [], np.zeros((n_spots, n_labels))
    for spot in range(n_spots):
        mixture = rng.dirichlet(4 * regions[spot % N_REGIONS] + 1e-3)
        n_cells = rng.integers(FEWEST_CELLS, MOST_CELLS + 1)
        labels = rng.choice(present, n_cells, p=mixture)
        cells = counts[[rng.choice(np.flatnonzero(truth == label)) for label in labels]]
        np.add.at(shares[spot], labels, np.asarray(cells.sum(axis=1)).ravel())
        total = np.rint(np.asarray(cells.sum(axis=0)).ravel()).astype(np.int64)
        made.append(rng.binomial(total, min(1.0, DEPTH / max(total.sum(), 1))))
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    return Spots(sparse.csr_matrix(np.array(made, dtype=np.float32)), shares)


def score_shares(truth: NDArray[np.float64], found: NDArray[np.float64]) -> dict[str, float]:
    """Compare shares, (spots, labels), which need not sum to 1, with the true ones.

    Parameters
    ----------
    truth, found
        Shares.
    """
    total = found.sum(axis=1, keepdims=True)
    even = np.full_like(found, 1 / found.shape[1])
    shares = np.divide(found, total, out=even, where=total > 0)
    varies = shares.std(axis=1) > 0
    pairs = zip(truth[varies], shares[varies], strict=True)
    return {
        "rmse": float(np.sqrt(((truth - shares) ** 2).mean())),
        # The same share of each type says nothing of which there are.
        "correlation": float(
            sum(np.corrcoef(own, other)[0, 1] for own, other in pairs) / max(len(truth), 1)
        ),
        "divergence": float(np.mean(jensenshannon(truth, shares, axis=1, base=2) ** 2)),
    }
