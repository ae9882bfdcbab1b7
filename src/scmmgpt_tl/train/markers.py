"""Marker genes as curated tables list them: what is known of types that no profile covers.

A table has a row for each mention: cell type, gene, and the resource that says so. The more
resources agree on a marker, the more often it is drawn.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from scmmgpt_tl import ontology
from scmmgpt_tl.model.markers import MarkerTable

from .captions import HOUSEKEEPING, type_means

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

    from .reference import Profiles

FEWEST, MOST = 5, 60
MOST_CONTRASTS, LEAST_SPREAD = 1000, 0.3


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


def marker_table(
    path: Path | None, profiles: Profiles, genes: GeneTable, *, without: Collection[str]
) -> MarkerTable:
    """Return the marker genes that a bundle holds.

    Parameters
    ----------
    path
        Table as in :func:`read_markers`, or none.
    profiles
        Say by which genes a type stands out: the `MOST_CONTRASTS` whose level in the type exceeds
        the mean over types by most of its standard deviations between types.
    genes
        Gene table of the model.
    without
        Resources no row of which may be in the bundle.
    """
    support = _support(path, genes, without) if path else {}
    of_type, types = _contrasts(profiles, genes.symbols)
    terms = tuple(sorted({*support, *types}))
    place = {term: row for row, term in enumerate(terms)}
    entries = [(place[t], g, n) for t, found in support.items() for g, n in found.items()]
    rows, columns, numbers = zip(*entries, strict=True) if entries else ((), (), ())
    shape = (len(terms), len(genes))
    sources = sparse.csr_matrix((np.array(numbers, np.float32), (rows, columns)), shape=shape)
    to_term = sparse.csr_matrix(
        (np.ones(len(types), np.float32), ([place[t] for t in types], range(len(types)))),
        shape=(len(terms), len(types)),
    )
    return MarkerTable(terms, sources, (to_term @ of_type).tocsr())


def _contrasts(profiles: Profiles, symbols: Sequence[str]) -> tuple[sparse.csr_matrix, list[str]]:
    """By how many standard deviations types stand out in their best genes, (types, genes)."""
    levels, types = type_means(profiles)
    seen = np.isfinite(levels)
    n = np.maximum(seen.sum(0), 1)
    above = np.where(seen, levels - np.where(seen, levels, 0).sum(0) / n, 0)
    above *= [not HOUSEKEEPING.match(symbol) for symbol in symbols]
    # Without a floor, genes that are silent nearly everywhere would stand out most.
    z = np.maximum(above / (np.sqrt((above**2).sum(0) / n) + LEAST_SPREAD), 0)
    kept = min(MOST_CONTRASTS, z.shape[1])
    lowest = np.partition(z, -kept, axis=1)[:, -kept, None]
    return sparse.csr_matrix(np.where(z >= lowest, z, 0).astype(np.float32)), types


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
