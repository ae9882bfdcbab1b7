"""What a perturbation changes in groups of cells, however it was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Changes", "describe_rows"]


@dataclass(frozen=True)
class Changes:
    """Changes, one row for each perturbation and group.

    Parameters
    ----------
    names
        Genes, or labels.
    rows
        What each row is, from :func:`describe_rows`.
    control, shift
        (rows, names).
    group_weights, perturbation_weights
        What a shift comes from, where it was learned.
    tables
        What else is to be kept.
    """

    names: Sequence[str]
    rows: pd.DataFrame
    control: NDArray[np.float64]
    shift: NDArray[np.float64]
    group_weights: pd.DataFrame | None = None
    perturbation_weights: pd.DataFrame | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def describe_rows(
    perturbations: Sequence[str],
    groups: Sequence[str],
    *,
    n_cells: NDArray[np.int64],
    basis: Sequence[str],
    expected: Sequence[tuple[float, float]],
) -> pd.DataFrame:
    """Return what each row is, perturbation by perturbation.

    Parameters
    ----------
    perturbations, groups
        Their names.
    n_cells
        Unperturbed cells of each group, (groups,).
    basis
        What each row was taken from, (rows,).
    expected
        Correlation that was found where such rows were held out, and that of the mean shift.
    """
    of_perturbation = np.repeat(np.array(perturbations, dtype=object), len(groups))
    of_group = np.tile(np.array(groups, dtype=object), len(perturbations))
    pairs = zip(of_perturbation, of_group, strict=True)
    chosen, mean = np.array(expected, dtype=np.float32).reshape(-1, 2).T
    return pd.DataFrame(
        {
            "perturbation": pd.Categorical(of_perturbation, categories=list(perturbations)),
            "group": pd.Categorical(of_group, categories=list(groups)),
            "n_cells": np.tile(n_cells, len(perturbations)),
            "basis": pd.Categorical(basis),
            "expected_r": chosen,
            "expected_r_mean_shift": mean,
        },
        index=pd.Index(
            [f"{perturbation} | {group}" for perturbation, group in pairs], dtype=object
        ),
    )
