"""A panel of antibodies: what each is against, and which cells are positive."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from ._positive import BACKGROUND, CONTROL_QUANTILE, clr, split
from ._table import find, is_control

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ._read import Measured
    from ._table import Protein

__all__ = ["Panel", "read_panel"]

CONTROL, UNMATCHED, NO_EXPECTATIONS, WITNESS = (
    "isotype control",
    "unknown name",
    "no expectations",
    "witness",
)


class Panel(NamedTuple):
    """What antibodies say of cells.

    Parameters
    ----------
    positive
        Probability that a cell binds each antibody, NaN where that is not known;
        `(n_cells, n_antibodies)`.
    proteins
        Proteins of the panel, each once.
    by_protein
        Mean of `positive` over the antibodies of each protein, `(n_cells, n_proteins)`.
    table
        One row an antibody: `antibody`, `protein`, `genes`, `role`.
    splits
        One row an antibody and sample: `batch`, `antibody`, `split`, `limit`, `distance`, `share`.
    """

    positive: NDArray[np.float64]
    proteins: tuple[Protein, ...]
    by_protein: NDArray[np.float64]
    table: pd.DataFrame
    splits: pd.DataFrame


def read_panel(measured: Measured, batches: Sequence[str]) -> Panel:
    """Name the proteins of a panel and split the cells of each sample by each.

    Parameters
    ----------
    measured
        Counts, or values that are normalised already.
    batches
        Sample of each cell.

    Raises
    ------
    ValueError
        All antibodies are isotype controls, or none is of a protein that is known.
    """
    controls = np.array([is_control(name) for name in measured.antibodies])
    found = [
        None if control else find(name)
        for name, control in zip(measured.antibodies, controls, strict=True)
    ]
    if not any(found):
        msg = (
            f"None of the {len(found)} antibodies in `{measured.where}` is of a protein that is known"
            f"{' and no isotype control' if controls.any() else ''}: "
            f"{', '.join(measured.antibodies[:5])}. Rename them, for example to 'CD3' or 'HLA-DR'."
        )
        raise ValueError(msg)
    positive, splits = _split_samples(measured, controls, np.asarray(batches))
    proteins = tuple({p.name: p for p in found if p}.values())
    by_protein = np.column_stack(
        [_mean(positive[:, [p is protein for p in found]]) for protein in proteins]
    )
    table = pd.DataFrame(
        {
            "antibody": list(measured.antibodies),
            "protein": [p.name if p else "" for p in found],
            "genes": [", ".join(p.genes) if p else "" for p in found],
            "role": [_role(p, control) for p, control in zip(found, controls, strict=True)],
        }
    )
    return Panel(positive, proteins, by_protein, table, splits)


def _split_samples(
    measured: Measured, controls: NDArray[np.bool_], batches: NDArray[np.generic]
) -> tuple[NDArray[np.float64], pd.DataFrame]:
    """Split each sample by itself: antibodies stain samples unlike, and so do backgrounds."""
    held = ~np.isnan(measured.levels).all(axis=1)
    positive, rows = np.full(measured.levels.shape, np.nan), []
    for batch in pd.unique(batches):
        cells = np.flatnonzero(held & (batches == batch))
        values = measured.levels[cells]
        values = clr(values) if measured.is_linear else values
        background = BACKGROUND if measured.is_linear else -np.inf
        if controls.any() and len(cells):
            background = max(background, float(np.quantile(values[:, controls], CONTROL_QUANTILE)))
        for column, antibody in enumerate(measured.antibodies):
            if controls[column]:
                continue
            found = split(values[:, column], background=background)
            positive[cells, column] = found.positive
            known = found.positive[~np.isnan(found.positive)]
            share = float((known > 0.5).mean()) if known.size else np.nan
            rows.append((str(batch), antibody, found.why, found.limit, found.distance, share))
    columns = ["batch", "antibody", "split", "limit", "distance", "share"]
    return positive, pd.DataFrame(rows, columns=columns)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the antibodies of a protein that say something, NaN where none does."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(axis=1)
    return np.divide(total, known.sum(1), out=np.full(len(values), np.nan), where=known.any(1))


def _role(protein: Protein | None, control: np.bool_) -> str:
    if control:
        return CONTROL
    if protein is None:
        return UNMATCHED
    return WITNESS if any(protein.expected.values()) else NO_EXPECTATIONS
