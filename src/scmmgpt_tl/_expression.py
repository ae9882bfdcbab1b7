"""Expression on the scale that cells are compared on."""

from __future__ import annotations

import numpy as np
from scipy import sparse

__all__ = ["log_expression"]

PER_CELL = 1e4


def log_expression(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return log1p of counts per ten thousand, (cells, genes), float64; empty cells stay empty."""
    rows = counts.astype(np.float64)
    total = np.asarray(rows.sum(axis=1)).ravel()
    scale = np.divide(PER_CELL, total, out=np.zeros_like(total), where=total > 0)
    return (sparse.diags(scale) @ rows).tocsr().log1p()
