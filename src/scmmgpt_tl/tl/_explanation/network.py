"""Which genes rise and fall together over cells: the kernel of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scmmgpt_tl._expression import log_expression

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

__all__ = ["Network", "connect", "shrunk_correlation"]

# A gene that hardly any cell expresses goes together with all others that none does.
EXPRESSED, FEWEST_EXPRESSED = 0.1, 3


class Network(NamedTuple):
    """Genes of one group of cells, and what ties them together.

    Parameters
    ----------
    genes
        The genes, those with the largest attributions first.
    attributions
        Mean attribution of each.
    expression
        Mean log expression of each.
    pairs
        Places of two genes among `genes`, the strongest tie first, `(n_edges, 2)`.
    correlation
        Of their attributions.
    coexpression
        Of their log expression in the same cells.
    shrinkage
        How far the correlations of attributions were drawn to zero, 0 to 1.
    """

    genes: NDArray[np.intp]
    attributions: NDArray[np.float64]
    expression: NDArray[np.float64]
    pairs: NDArray[np.intp]
    correlation: NDArray[np.float64]
    coexpression: NDArray[np.float64]
    shrinkage: float


def connect(
    attributions: NDArray[np.floating], rows: csr_matrix, *, n_genes: int, n_edges: int
) -> Network:
    """Tie genes whose attributions go together.

    Parameters
    ----------
    attributions
        Of the cells of a group, `(n_cells, n_genes)`.
    rows
        Their counts, `(n_cells, n_genes)`.
    n_genes
        Genes to look at: those with the largest attributions of either sign, in the mean, among
        those that a tenth of the cells, and three of them, express.
    n_edges
        Most ties to keep, the strongest of either sign.
    """
    expressed = np.asarray((rows > 0).sum(axis=0)).ravel()
    told = expressed >= max(FEWEST_EXPRESSED, EXPRESSED * rows.shape[0])
    strength = np.where(told, np.abs(attributions).mean(axis=0, dtype=np.float64), 0)
    genes = np.argsort(-strength, kind="stable")[: min(n_genes, int((strength > 0).sum()))]
    own = np.asarray(attributions[:, genes], dtype=np.float64)
    expression = log_expression(rows)[:, genes].toarray()
    correlation, shrinkage = shrunk_correlation(own)
    coexpression, _ = shrunk_correlation(expression)
    first, second = np.triu_indices(len(genes), 1)
    found = correlation[first, second]
    best = np.argsort(-np.abs(found), kind="stable")[:n_edges]
    best = best[found[best] != 0]
    pairs = np.column_stack([first[best], second[best]])
    return Network(
        genes,
        own.mean(axis=0),
        expression.mean(axis=0),
        pairs,
        found[best],
        coexpression[pairs[:, 0], pairs[:, 1]],
        shrinkage,
    )


def shrunk_correlation(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    r"""Return correlations of columns, drawn to zero as far as they are noise :cite:p:`Schafer2005`.

    .. math:: \lambda = \frac{\sum_{i \ne j} \widehat{\mathrm{Var}}(r_{ij})}{\sum_{i \ne j} r_{ij}^2},
       \qquad r^*_{ij} = (1 - \min(\lambda, 1)) \, r_{ij}

    Parameters
    ----------
    values
        `(n, columns)`; a column that does not vary goes with none.

    Returns
    -------
    Correlations with ones on the diagonal, and :math:`\lambda`.
    """
    n, width = values.shape
    centred = values - values.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0) / max(n - 1, 1))
    unit = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12)
    together = unit.T @ unit
    r = together / max(n - 1, 1)
    noise = ((unit**2).T @ unit**2 - together**2 / n) * n / max(n - 1, 1) ** 3
    apart = ~np.eye(width, dtype=bool)
    signal = float((r[apart] ** 2).sum())
    shrinkage = float(np.clip(noise[apart].sum() / signal, 0, 1)) if signal > 0 else 1.0
    shrunk = (1 - shrinkage) * r
    np.fill_diagonal(shrunk, 1)
    return shrunk, shrinkage
