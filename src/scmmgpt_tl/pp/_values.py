"""What kind of values a sample of rows holds: pure arithmetic on a sparse matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

Kind = Literal["counts", "fractional", "lognorm"]

# log2 of a value per million stays below 20.9; what is larger was not logarithmised.
LARGEST_LOG = 25.0
_BASES = (math.e, 2.0, 10.0)
# Float noise of recovered counts lies far below, what SoupX or RSEM leave far above.
_WHOLE, _WHOLE_RELATIVE = 1e-4, 2e-6
_SAME_SUM = 2e-3


@dataclass(frozen=True)
class Values:
    """Measurements on a sample.

    Parameters
    ----------
    max
        Largest value.
    fraction_non_integer
        Share of the non-zero values that are no whole numbers.
    negatives, nans, infs
        How many of each.
    log_base
        Base for which undoing `log(x + 1)` yields counts or equal row sums; `None` where none does.
    linear
        Whether the values as they are have equal row sums, or are counts times a factor of the cell.
    """

    max: float
    fraction_non_integer: float
    negatives: int
    nans: int
    infs: int
    log_base: float | None
    linear: bool

    @property
    def readable(self) -> bool:
        """Whether these can be expression values at all."""
        return not (self.negatives or self.nans or self.infs)

    def kind(self, *, logged: bool) -> Kind:
        """Tell counts, other linear values and logarithms apart.

        Parameters
        ----------
        logged
            Whether the object says of itself that it was logarithmised.
        """
        if self.fraction_non_integer == 0:
            return "counts"
        # Logarithms are hardly ever whole numbers or all below one; corrected counts often are.
        if self.max > LARGEST_LOG or self.fraction_non_integer < 0.9:
            return "fractional"
        if self.log_base is not None and not self.linear:
            return "lognorm"
        if self.linear or (self.max <= 1 and not logged):
            return "fractional"
        return "lognorm"


def measure(rows: csr_matrix) -> Values:
    """Measure a sample of rows.

    Parameters
    ----------
    rows
        Cells x genes, canonical float32 CSR.
    """
    data = rows.data.astype(np.float64)
    finite = data[np.isfinite(data)]
    readable = finite.size == data.size and not (finite < 0).any()
    parted = np.abs(finite - np.rint(finite)) > _WHOLE + _WHOLE_RELATIVE * np.abs(finite)
    fraction = float(parted.mean()) if finite.size else 0.0
    ambiguous = readable and fraction >= 0.9 and float(finite.max(initial=0)) <= LARGEST_LOG
    return Values(
        max=float(finite.max(initial=0)),
        fraction_non_integer=fraction,
        negatives=int((finite < 0).sum()),
        nans=int(np.isnan(data).sum()),
        infs=int(np.isinf(data).sum()),
        log_base=_log_base(data, rows.indptr) if ambiguous else None,
        linear=_is_linear(data, rows.indptr) if ambiguous else False,
    )


def _log_base(data: NDArray[np.float64], indptr: NDArray[np.int32]) -> float | None:
    return next((b for b in _BASES if _is_linear(np.expm1(data * math.log(b)), indptr)), None)


def _is_linear(data: NDArray[np.float64], indptr: NDArray[np.int32]) -> bool:
    """Whether row sums are equal, or each row is whole numbers times a factor of its own."""
    starts, lengths = indptr[:-1][np.diff(indptr) > 0], np.diff(indptr)[np.diff(indptr) > 0]
    if not starts.size:
        return False
    sums = np.add.reduceat(data, starts)
    if starts.size >= 3 and sums.std() <= _SAME_SUM * sums.mean():
        return True
    # The smallest value of a cell is mostly one molecule: in units of it, counts are whole.
    unit = np.repeat(np.minimum.reduceat(data, starts), lengths)
    ratio = data / unit
    told = (ratio > 1.01) & (ratio < 10)
    if told.sum() < 20:
        return False
    return bool((np.abs(ratio[told] - np.rint(ratio[told])) < 0.03).mean() > 0.9)
