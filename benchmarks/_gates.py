"""What a cell is by its proteins, as cytometry gates it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from scmmgpt_tl.proteins._table import find, is_control

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

# A gate stands where two groups of cells differ in the mean of log(1 + counts) by this, 4.5-fold.
LEAST_GAP = 1.5
LINEAGE_LABELS = {
    "T cell": "T",
    "B cell": "B",
    "natural killer cell": "NK",
    "monocyte": "monocyte",
    "dendritic cell": "dendritic",
}
T_CELL_LABELS = {
    "CD4-positive, alpha-beta T cell": "CD4 T",
    "CD8-positive, alpha-beta T cell": "CD8 T",
    "B cell": "B",
    "natural killer cell": "NK",
    "monocyte": "monocyte",
    "dendritic cell": "dendritic",
}
LINEAGE = ("CD3", "CD19", "CD14", "CD56")


class Question(NamedTuple):
    """What is asked: labels, gates that say what a cell is, and proteins not to be heard then."""

    name: str
    labels: dict[str, str]
    gates: dict[str, str]
    hidden: tuple[str, ...]


# "CD3+ CD19-" and so on, set before any result was seen.
LINEAGES = {
    "T": "CD3+ CD19- CD14- CD56-",
    "B": "CD3- CD19+ CD14- CD56-",
    "NK": "CD3- CD19- CD14- CD56+",
    "monocyte": "CD3- CD19- CD14+ CD56-",
}
T_CELL = "CD3+ CD19- CD14- CD56-"
QUESTIONS = (
    Question("lineage", LINEAGE_LABELS, LINEAGES, LINEAGE),
    Question(
        "CD4 T or CD8 T, by CD8",
        T_CELL_LABELS,
        {"CD8 T": f"{T_CELL} CD8+", "CD4 T": f"{T_CELL} CD8-"},
        ("CD8",),
    ),
    Question(
        "CD4 T or CD8 T, by CD4",
        T_CELL_LABELS,
        {"CD4 T": f"{T_CELL} CD4+", "CD8 T": f"{T_CELL} CD4-"},
        ("CD4",),
    ),
)


def proteins_of(antibodies: Sequence[str]) -> dict[str, str]:
    """Name the protein of each antibody, `""` where it has none."""
    known = {name: None if is_control(name) else find(name) for name in antibodies}
    return {name: protein.name if protein else "" for name, protein in known.items()}


def gate_positive(counts: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Part the cells by each protein of the gates, by two means of log(1 + counts)."""
    found = {}
    for antibody, protein in proteins_of(counts.columns).items():
        values = np.log1p(counts[antibody].to_numpy(dtype=float))
        centres = KMeans(2, n_init=5, random_state=0).fit(values[:, None]).cluster_centers_
        gap = np.ptp(centres) >= LEAST_GAP
        found.setdefault(protein, (values > centres.mean()) & gap)
    return found


def gate(positive: dict[str, NDArray[np.bool_]], gates: dict[str, str]) -> NDArray[np.object_]:
    """Name the cells inside each gate; no cell is in two.

    Parameters
    ----------
    positive
        Cells that have each protein.
    gates
        What cells are, and by which proteins.
    """
    found = np.full(len(next(iter(positive.values()))), "", dtype=object)
    for name, signs in gates.items():
        inside = np.ones(len(found), dtype=bool)
        for sign in signs.split():
            inside &= positive[sign[:-1]] == (sign[-1] == "+")
        found[inside] = name
    return found
