"""Groups that are large enough for networks, and networks laid out as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scanpy import logging as logg

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from .attribute import Attributed
    from .network import Network
    from .subjects import Subjects

__all__ = ["FEWEST_CELLS", "by_subject", "large_enough", "network_tables"]

FEWEST_CELLS = 10


def large_enough(subjects: Subjects) -> Subjects:
    """Leave out groups of too few cells, of which nothing goes together but by chance.

    Parameters
    ----------
    subjects
        Groups of cells.

    Raises
    ------
    ValueError
        None is left.
    """
    sizes = np.bincount(subjects.codes)
    kept = np.flatnonzero(sizes >= FEWEST_CELLS)
    small = [f"{subjects.names[i]!r} ({n})" for i, n in enumerate(sizes) if n < FEWEST_CELLS]
    if not len(kept):
        msg = (
            f"No group has {FEWEST_CELLS} cells: found {', '.join(small)}. Name another `groupby`, "
            "or another `label`."
        )
        raise ValueError(msg)
    if small:
        logg.warning(f"left out groups of fewer than {FEWEST_CELLS} cells: {', '.join(small)}")
    inside, contests = np.isin(subjects.codes, kept), subjects.contests
    return subjects._replace(
        names=tuple(subjects.names[i] for i in kept),
        contests=contests._replace(
            labels=contests.labels[kept],
            against=contests.against[kept],
            sides=contests.sides[kept],
        ),
        rows=subjects.rows[inside],
        codes=np.searchsorted(kept, subjects.codes[inside]),
    )


def by_subject(
    batches: Iterable[Attributed], codes: NDArray[np.intp]
) -> Iterator[NDArray[np.float32]]:
    """Put the attributions of each subject together as they come.

    Parameters
    ----------
    batches
        Attributions of all cells, in order.
    codes
        Ascending number of the subject of each cell, `(n_cells,)`; none is left out.

    Yields
    ------
    Attributions of one subject, `(n_cells, n_genes)`.
    """
    ends = np.cumsum(np.bincount(codes))
    place = 0
    held: list[NDArray[np.float32]] = []
    for batch in batches:
        own = codes[place : place + len(batch.genes)]
        place += len(own)
        for code in np.unique(own):
            held.append(batch.genes[own == code])
            if place >= ends[code]:
                yield np.concatenate(held)
                held = []


def network_tables(
    found: Sequence[Network], subjects: Subjects, *, symbols: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Lay out networks: `edges`, `genes` and an `overview`.

    Parameters
    ----------
    found
        Of each group.
    subjects
        The groups.
    symbols
        Names of the genes.
    """
    edges: list[pd.DataFrame] = []
    genes: list[pd.DataFrame] = []
    for group, one in zip(subjects.names, found, strict=True):
        names = np.array([symbols[gene] for gene in one.genes], dtype=object)
        edges.append(
            pd.DataFrame(
                {
                    "group": np.full(len(one.pairs), group, dtype=object),
                    "rank": np.arange(1, len(one.pairs) + 1),
                    "gene": names[one.pairs[:, 0]],
                    "other": names[one.pairs[:, 1]],
                    "correlation": one.correlation.astype(np.float32),
                    "coexpression": one.coexpression.astype(np.float32),
                }
            )
        )
        genes.append(
            pd.DataFrame(
                {
                    "group": np.full(len(names), group, dtype=object),
                    "gene": names,
                    "attribution": one.attributions.astype(np.float32),
                    "expression": one.expression.astype(np.float32),
                    "n_edges": np.bincount(one.pairs.ravel(), minlength=len(names)),
                }
            )
        )
    overview = pd.DataFrame(
        {
            "group": list(subjects.names),
            "label": list(subjects.contests.labels),
            "against": list(subjects.contests.against),
            "n_cells": np.bincount(subjects.codes),
            "n_genes": [len(one.genes) for one in found],
            "n_edges": [len(one.pairs) for one in found],
            "shrinkage": np.array([one.shrinkage for one in found], dtype=np.float32),
        }
    )
    tables = {"edges": edges, "genes": genes}
    laid = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    return {**laid, "overview": overview}
