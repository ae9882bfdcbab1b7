"""Mixtures of known profiles: which shares explain the counts best."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

__all__ = ["Mixture", "telling_genes", "unmix"]

# More rounds of finding out how each gene was measured would explain by this what is a mixture.
N_GENES, N_ROUNDS, N_STEPS = 3000, 2, 100
SPOTS_AT_ONCE = 1000
# A gene may be measured so many times better or worse than in the profiles.
MOST_FACTOR = 50.0
LEAST_RATE = 1e-5


class Mixture(NamedTuple):
    """What spots are made of.

    Parameters
    ----------
    shares
        Of the RNA of each type, `(n_spots, n_types)`; rows sum to 1.
    fit
        Share of the deviance from the average spot that the mixture explains, at most 1,
        `(n_spots,)`.
    """

    shares: NDArray[np.float64]
    fit: NDArray[np.float64]


def telling_genes(profiles: NDArray[np.floating], measured: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the measured genes that differ most between types, in order.

    Parameters
    ----------
    profiles
        Expected shares of expression, `(n_types, n_genes)`.
    measured
        Which genes there are counts of, `(n_genes,)`.
    """
    columns = np.flatnonzero(measured)
    spread = np.log(profiles[:, columns] + LEAST_RATE).std(axis=0)
    return np.sort(columns[np.argsort(-spread, kind="stable")[:N_GENES]])


def unmix(blocks: Callable[[], Iterable[csr_matrix]], profiles: NDArray[np.floating]) -> Mixture:
    r"""Explain counts as mixtures of profiles.

    Gene :math:`g` of spot :math:`s` is expected to have
    :math:`f_g \sum_k w_{sk} p_{kg}` counts, and the weights are those of the greatest Poisson
    likelihood. How well a gene is measured, :math:`f_g`, is the same in all spots: it is what makes
    their sums right, found in turns with the weights.

    Parameters
    ----------
    blocks
        Reads the counts from the first spot to the last, `(n, n_genes)` each; called once a turn.
    profiles
        Expected shares of expression, positive, `(n_types, n_genes)`.
    """
    rates = (profiles / profiles.sum(axis=1, keepdims=True)).astype(np.float64)
    used, total = np.zeros(len(rates)), np.zeros(rates.shape[1])
    for values in map(_plain, blocks()):
        total += np.asarray(values.sum(axis=0)).ravel()
        used += _weigh(values, rates).sum(axis=0)
    weights, fit = np.empty((0, len(rates))), np.empty(0)
    for _ in range(N_ROUNDS):
        factor = np.clip((total + 1) / (used @ rates + 1), 1 / MOST_FACTOR, MOST_FACTOR)
        found = [_explain(values, rates * factor, total) for values in map(_plain, blocks())]
        if found:
            weights, fit = (np.concatenate(parts) for parts in zip(*found, strict=True))
        used = weights.sum(axis=0)
    whole = weights.sum(axis=1, keepdims=True)
    shares = np.divide(weights, whole, out=np.full_like(weights, 1 / len(rates)), where=whole > 0)
    return Mixture(shares, fit)


def _plain(counts: csr_matrix) -> csr_matrix:
    values = counts.astype(np.float64)
    values.eliminate_zeros()
    return values


def _explain(
    values: csr_matrix, rates: NDArray[np.float64], total: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights of spots, and how well these explain them."""
    weights = _weigh(values, rates)
    return weights, _explained(values, weights, rates=rates, average=total / max(total.sum(), 1))


def _weigh(values: csr_matrix, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights by multiplicative updates of the Kullback-Leibler divergence."""
    from sklearn.decomposition import non_negative_factorization
    from sklearn.exceptions import ConvergenceWarning

    weights = np.zeros((values.shape[0], len(rates)))
    with warnings.catch_warnings():
        # A fixed number of steps, so that no spot stops another one early.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for start in range(0, len(weights), SPOTS_AT_ONCE):
            some = slice(start, start + SPOTS_AT_ONCE)
            weights[some], _, _ = non_negative_factorization(
                values[some].toarray(),
                H=rates,
                n_components=len(rates),
                init="custom",
                update_H=False,
                solver="mu",
                beta_loss="kullback-leibler",
                tol=0,
                max_iter=N_STEPS,
            )
    return weights


def _explained(
    values: csr_matrix,
    weights: NDArray[np.float64],
    *,
    rates: NDArray[np.float64],
    average: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Compare each spot's deviance from its mixture with that from the average spot."""
    spots, genes = values.nonzero()
    seen = values.data
    total = np.asarray(values.sum(axis=1)).ravel()
    mixed = np.einsum("nk,nk->n", weights[spots], rates.T[genes])
    scale = np.divide(total, weights @ rates.sum(axis=1), out=np.ones_like(total), where=total > 0)

    def deviance(expected: NDArray[np.float64]) -> NDArray[np.float64]:
        of_gene = seen * np.log(seen / expected)
        return np.bincount(spots, of_gene, minlength=len(total)).astype(np.float64)

    tiny = np.finfo(np.float64).tiny
    left = deviance(np.maximum(mixed * scale[spots], tiny))
    null = deviance(total[spots] * average[genes])
    return 1 - np.divide(left, null, out=np.ones_like(left), where=null > 0)
