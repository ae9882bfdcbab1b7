"""Some cells of a file, in the place of an AnnData."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from anndata import AnnData

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .cells import StoredCells


@dataclass(frozen=True)
class Part:
    """Consecutive cells of a file, in the place of an AnnData.

    Parameters
    ----------
    cells
        The file.
    rows
        Which of its cells.
    beside
        AnnData of these cells without genes: what was known of them before; only read.
    found
        AnnData of these cells without genes, which takes the results.
    """

    cells: StoredCells
    rows: range
    beside: AnnData
    found: AnnData


def part_of(cells: StoredCells, rows: range) -> Part:
    """Take some cells of a file, of which nothing is looked at but genes.

    Parameters
    ----------
    cells
        The file.
    rows
        Which of its cells.
    """
    found = _names_only(cells.obs_names[rows.start : rows.stop])
    return Part(cells, rows, found, found)


def whole(cells: StoredCells, beside: AnnData) -> Part:
    """Take all cells of a file at once.

    Parameters
    ----------
    cells
        The file.
    beside
        AnnData of these cells without genes: what was known of them before; only read.
    """
    return Part(cells, range(cells.n_obs), beside, _names_only(beside.obs_names))


def _names_only(names: Sequence[str]) -> AnnData:
    return AnnData(obs=pd.DataFrame(index=pd.Index(names, dtype=object)))


def found_in(  # noqa: PLR0917 - the rows are what differs from call to call
    tool: Callable[..., Any], cells: StoredCells, options: Mapping[str, Any], rows: range
) -> AnnData:
    """Run a tool on some cells of a file.

    Parameters
    ----------
    tool
        The function itself.
    cells
        The file.
    options
        Arguments of the tool, without `copy` and `client`.
    rows
        Which of its cells.

    Returns
    -------
    What the tool found, without the genes.
    """
    part = part_of(cells, rows)
    tool(part, **options)
    return part.found
