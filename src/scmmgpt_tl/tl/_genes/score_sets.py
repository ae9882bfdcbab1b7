"""How strongly a cell expresses sets of genes: the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl._expression import log_expression

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

__all__ = ["score_sets"]

_TINY = 1e-20


def score_sets(
    rows: csr_matrix, weights: NDArray[np.float64], measured: NDArray[np.bool_]
) -> NDArray[np.float32]:
    r"""Return the t value of each set in each cell, (cells, sets).

    .. math:: t = r \sqrt{\frac{n - 2}{1 - r^2}}

    where :math:`r` is the correlation, over the :math:`n` measured genes of one cell, of its
    log expression with the weights of the set: decoupler's univariate linear model, on sparse rows
    and without a look at any other cell.

    Parameters
    ----------
    rows
        Counts, (cells, genes).
    weights
        Weights of the genes in each set, (genes, sets).
    measured
        Which genes the data set measured, (genes,).
    """
    values = log_expression(rows)[:, np.flatnonzero(measured)]
    own = weights[measured]
    n = len(own)
    own = own - own.mean(0)
    together = np.asarray(values @ own)
    total = np.asarray(values.sum(1))
    spread = np.asarray(values.multiply(values).sum(1)) - total**2 / max(n, 1)
    norm = np.sqrt(np.maximum(spread, 0) * (own**2).sum(0))
    r = np.divide(together, norm, out=np.zeros_like(together), where=norm > _TINY)
    return (r * np.sqrt(max(n - 2, 0) / np.maximum(1 - r**2, _TINY))).astype(np.float32)
