"""How much of a cell's expression a model gets to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["coverage", "reach"]


def reach(network: Any, measured: NDArray[np.bool_]) -> float:
    """Return the share of the model's average cell that a data set measured, 0 to 1.

    Parameters
    ----------
    network
        Of the model; what it says of its average cell weighs the genes, else all weigh the same.
    measured
        Which of the model's genes the data set measured, `(n_genes,)`.
    """
    average = getattr(getattr(network, "cell_encoder", network), "average", None)
    if average is None:
        return float(measured.mean())
    shares = average.detach().double().cpu().numpy()
    return float(shares[measured].sum() / shares.sum())


def coverage(known: NDArray[np.floating], reach: float) -> NDArray[np.float32]:
    r"""Return the share of each cell's expression that the model reads, 0 to 1.

    Counts are of genes that the model and the file both have, :math:`b`, of genes that the file
    alone has, or would be of genes that the model alone has. Of all these the model reads
    :math:`b`. With the share :math:`s` of the file's counts and the share :math:`r` of the model's
    average cell that are :math:`b`, this is

    .. math:: \frac{1}{1/s + 1/r - 1} = \frac{s r}{s + r - s r} .

    Parameters
    ----------
    known
        Share of each cell's counts that are of genes the model knows, `(n_cells,)`.
    reach
        What :func:`reach` returns.
    """
    found = known * reach / np.maximum(known + reach - known * reach, np.finfo(np.float64).tiny)
    return np.asarray(found, dtype=np.float32)
