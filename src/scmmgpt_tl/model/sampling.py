"""From expected expression to counts: how deep cells are sequenced, and how counts scatter."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix, vstack

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

# Cells drawn at once: a dense block of a whole transcriptome then stays below 100 MB.
BLOCK = 256


@dataclass(frozen=True)
class Sampling:
    r"""Depth and over-dispersion of counts, as they were measured on cells that were trained with.

    Depths are log-normal. Counts given a depth :math:`s` and expected shares :math:`p_g` are
    gamma-Poisson, which is to say negative-binomial, with the dispersion :math:`\phi`:

    .. math:: \mu_g = s \, p_g, \qquad \lambda_g \sim \mathrm{Gamma}(1/\phi, \phi \mu_g), \qquad
        x_g \sim \mathrm{Poisson}(\lambda_g), \qquad \mathrm{Var}(x_g) = \mu_g + \phi \mu_g^2

    Parameters
    ----------
    depth
        Median of the total counts of a cell over all genes of the model.
    depth_spread
        Standard deviation of their natural logarithm.
    dispersion
        :math:`\phi`; 0 for Poisson counts.
    fitted_on
        Names of the data sets it was measured on.

    Raises
    ------
    ValueError
        If the depth is not positive, or one of the others negative.

    Examples
    --------
    >>> sampling = Sampling(depth=1000, depth_spread=0.0, dispersion=0.0)
    >>> sampling.depths(2, np.random.default_rng(0))
    array([1000., 1000.])
    """

    depth: float
    depth_spread: float
    dispersion: float
    fitted_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.depth < float("inf"):
            msg = f"`depth` must be positive and finite, found {self.depth!r}."
            raise ValueError(msg)
        for name in ("depth_spread", "dispersion"):
            if not 0 <= getattr(self, name) < float("inf"):
                msg = f"`{name}` must be 0 or more and finite, found {getattr(self, name)!r}."
                raise ValueError(msg)

    def depths(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw the expected total counts of `n` cells over all genes of the model, (n,)."""
        return self.depth * np.exp(self.depth_spread * rng.standard_normal(n))

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Sampling:
        """Read ``sampling.json``.

        Raises
        ------
        ValueError
            If the file is not JSON, or its keys are not those of this class.
        """
        path = Path(path)
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            if set(raw) != (known := {field.name for field in fields(cls)}):
                msg = f"found the keys {sorted(raw)} where {sorted(known)} are expected."
                raise ValueError(msg)
            numbers = {key: float(value) for key, value in raw.items() if key != "fitted_on"}
            return cls(**numbers, fitted_on=tuple(map(str, raw["fitted_on"])))
        except (OverflowError, RecursionError, TypeError, ValueError) as error:
            msg = f"{path} does not say how counts are drawn: {error}"
            raise ValueError(msg) from error

    def write(self, path: str | PathLike[str]) -> None:
        """Write what :meth:`read` reads."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        Path(path).write_text(text, encoding="utf-8", newline="\n")


#: Of bundles that do not say: as :func:`scmmgpt_tl.train.sampling.measure_sampling` finds it on the
#: cells named in `benchmarks/training/default.yaml`.
MEASURED = Sampling(
    depth=4530.0,
    depth_spread=0.643,
    dispersion=0.365,
    fitted_on=(
        "onek1k_4types_7811",
        "onek1k_bcells_3726",
        "unl_pbmc_10samples_ismb",
        "unl_pbmc_hao1000",
    ),
)


def draw_counts(
    shares: NDArray[np.floating],
    sizes: NDArray[np.floating],
    rng: np.random.Generator,
    *,
    dispersion: float,
) -> csr_matrix:
    """Draw gamma-Poisson counts of cells of one kind.

    Parameters
    ----------
    shares
        Expected share of each gene, (genes,), summing to 1.
    sizes
        Expected total counts of each cell, (cells,).
    rng
        Source of all randomness.
    dispersion
        As in :class:`Sampling`.

    Returns
    -------
    Whole numbers, (cells, genes) float32.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> draw_counts(np.array([0.9, 0.1]), np.array([50.0, 500.0]), rng, dispersion=0.2).shape
    (2, 2)
    """
    parts = [csr_matrix((0, len(shares)), dtype=np.float32)]
    for start in range(0, len(sizes), BLOCK):
        rates = np.outer(sizes[start : start + BLOCK], np.asarray(shares, np.float64))
        if dispersion > 0:
            rates = rng.gamma(1 / dispersion, dispersion * rates)
        parts.append(csr_matrix(rng.poisson(rates), dtype=np.float32))
    return vstack(parts, format="csr")
