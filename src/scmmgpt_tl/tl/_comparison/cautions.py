"""What stands against reading too much into a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .account import CAUTION, Statement, is_difference

if TYPE_CHECKING:
    import pandas as pd

    from .two_groups import Units

__all__ = ["about_cautions"]

FEW_CELLS, DEEPER, CHANGED = 30, 1.5, 0.1


def about_cautions(
    cells: pd.DataFrame, units: Units, *, batches: pd.DataFrame | None, shares: pd.DataFrame
) -> list[Statement]:
    """Say what stands against reading too much into the rest.

    Parameters
    ----------
    cells
        One row a group: `group`, `n_cells`, `n_unread`, `counts` and `genes`, medians.
    units
        What counted as one observation.
    batches
        Cells of each batch and group, `None` where no batch was named.
    shares
        What :func:`about_shares` tells.
    """
    found = []
    n, depth = cells["n_cells"], cells["counts"].clip(lower=1)
    a, b = cells["group"]

    def warn(sentence: str, evidence: str) -> None:
        found.append(Statement("caution", CAUTION, sentence, evidence))

    if n.min() < FEW_CELLS:
        warn(
            "One group is so small that little can be told.",
            f"{a}: {n.iloc[0]} cells; {b}: {n.iloc[1]} cells.",
        )
    if depth.max() / depth.min() > DEEPER:
        deeper = a if depth.iloc[0] > depth.iloc[1] else b
        warn(
            f"Cells of {deeper} were sequenced deeper, which can look like more expressed genes.",
            f"median counts {depth.iloc[0]:,.0f} in {a} and {depth.iloc[1]:,.0f} in {b}.",
        )
    if cells["n_unread"].sum():
        left = " and ".join(f"{row.n_unread} of {row.group}" for row in cells.itertuples())
        warn("Cells with too few genes to be read were left out.", f"{left}.")
    if batches is None:
        warn(
            "No batch was named: differences between donors or runs cannot be told from those "
            "between the groups, and cells of one donor count as independent.",
            f"tests over {n.iloc[0]} and {n.iloc[1]} cells.",
        )
    elif units.kind == "cells":
        both = int((batches > 0).all(axis=1).sum())
        worse = "; no batch holds both groups" if both == 0 else ""
        warn(
            "There are too few batches to compare them: differences between batches cannot be told "
            f"from those between the groups{worse}.",
            f"{len(batches)} batches, {both} with both groups; tests over cells.",
        )
    elif units.kind == "batches":
        warn(
            "The groups come from different batches, and may differ as these do.",
            f"{units.sizes[0]} batches of {a} against {units.sizes[1]} of {b}.",
        )
    moved = shares[is_difference(shares, "difference", CHANGED)]
    if len(moved):
        warn(
            "The groups are made of other cell types, so that genes and texts may tell these "
            "apart rather than a change within a type.",
            f"{len(moved)} types differ by {CHANGED:.0%} of the cells or more.",
        )
    return found
