"""Marker genes as curated tables list them: what is known of types that no profile covers.

A table has a row for each mention: cell type, gene, and the resource that says so. The more
resources agree on a marker, the more often it is drawn.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scmmgpt_tl import ontology

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

FEWEST, MOST = 5, 60


class MarkerGenes(NamedTuple):
    """Markers of one type."""

    genes: NDArray[np.int64]  # columns of the gene table, the best supported first
    weights: NDArray[np.float64]  # chance to be drawn, they sum to 1


def read_markers(
    path: Path, genes: GeneTable, *, without: Collection[str] = ()
) -> dict[str, MarkerGenes]:
    """Read the positive human markers of a Cell Marker Accordion table.

    Parameters
    ----------
    path
        Table with the columns `species`, `cell_type_id`, `marker`, `marker_type`, `resource`.
    genes
        Gene table of the model.
    without
        Resources not to be used, for instance those computed from cells that are tested on.

    Returns
    -------
    By Cell Ontology id, for every type with at least five markers. A marker weighs the square of
    the number of resources that name it.
    """
    found = _support(path, genes, without)
    return {
        term: _best(support) for term, support in sorted(found.items()) if len(support) >= FEWEST
    }


def _support(
    path: Path, genes: GeneTable, without: Collection[str]
) -> Mapping[str, Mapping[int, int]]:
    """Number of resources that name a gene, by term and gene."""
    table = pd.read_csv(path)
    place = {symbol: i for i, symbol in enumerate(genes.symbols)}
    cl = ontology.load()
    used = (
        (table["species"] == "Human")
        & (table["marker_type"] == "positive")
        & ~table["resource"].isin(list(without))
        & table["marker"].isin(list(place))
        & table["cell_type_id"].isin([t for t in table["cell_type_id"].unique() if t in cl])
    )
    table = table.loc[used, ["cell_type_id", "marker", "resource"]]
    table["cell_type_id"] = table["cell_type_id"].map(cl.current)
    counts = table.groupby(["cell_type_id", "marker"])["resource"].nunique()
    support: dict[str, dict[int, int]] = defaultdict(dict)
    for (term, marker), n in counts.items():
        support[term][place[marker]] = int(n)
    return support


def _best(support: Mapping[int, int]) -> MarkerGenes:
    genes = sorted(support, key=lambda gene: (-support[gene], gene))[:MOST]
    weights = np.array([support[gene] ** 2 for gene in genes], dtype=np.float64)
    return MarkerGenes(np.array(genes), weights / weights.sum())
