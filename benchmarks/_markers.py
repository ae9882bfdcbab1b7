"""Marker genes as a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _panel import log_cp10k, symbols_of

from scmmgpt_tl import ontology
from scmmgpt_tl.pp._names import match_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from _data import Query
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

# Of 50, 100 and 300 markers, weighted or not, this did best on the development data.
MOST_MARKERS, FEWEST_MARKERS = 100, 5
NETWORK = ["source", "target", "weight"]


class Markers:
    """Marker genes of cell types, and of what descends from them.

    Parameters
    ----------
    table
        Columns `cell_type_id`, `marker`, `evidence`: how many sources name the marker.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table

    @classmethod
    def read(cls, path: Path, *, of_mouse: GeneTable | None = None) -> Markers:
        """Read positive markers of a Cell Marker Accordion table.

        Parameters
        ----------
        path
            Of the table.
        of_mouse
            To read those of the mouse, as their human orthologs in this table, in place of those
            of the human.
        """
        cl = ontology.load()
        raw = pd.read_csv(path)
        species = "Human" if of_mouse is None else "Mouse"
        raw = raw[(raw["species"] == species) & (raw["marker_type"] == "positive")]
        if of_mouse is not None:
            names = raw["marker"].unique()
            pairs = zip(names, match_names(names, of_mouse, "mouse"), strict=True)
            human = {name: of_mouse.symbols[found.gene] for name, found in pairs if found}
            raw = raw.assign(marker=raw["marker"].map(human)).dropna(subset=["marker"])
        raw = raw[
            raw["cell_type_id"].isin([key for key in raw["cell_type_id"].unique() if key in cl])
        ]
        raw["cell_type_id"] = raw["cell_type_id"].map(cl.current)
        best = raw.groupby(["cell_type_id", "marker"], as_index=False)["evidence_global"].max()
        return cls(best.rename(columns={"evidence_global": "evidence"}))

    def network(self, terms: Iterable[str], symbols: Collection[str]) -> pd.DataFrame:
        """Best supported markers of each term, as decoupler reads them.

        Parameters
        ----------
        terms
            Cell Ontology ids.
        symbols
            Genes of the query: a marker that it did not measure takes no place.

        Returns
        -------
        Columns `source`, `target`, `weight`; terms with too few markers are left out.
        """
        cl = ontology.load()
        table = self._table[self._table["marker"].isin(symbols)]
        parts = []
        for term in dict.fromkeys(terms):
            own = table[table["cell_type_id"].isin({term} | cl.descendants(term))]
            support = own.groupby("marker")["evidence"].sum().nlargest(MOST_MARKERS)
            if len(support) >= FEWEST_MARKERS:
                rows = zip([term] * len(support), support.index, support, strict=True)
                parts.append(pd.DataFrame(rows, columns=NETWORK))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=NETWORK)

    @property
    def terms(self) -> tuple[str, ...]:
        """Ids that have markers of their own."""
        return tuple(sorted(self._table["cell_type_id"].unique()))


def score_markers(
    query: Query, terms: Sequence[str], *, network: pd.DataFrame, genes: GeneTable
) -> NDArray[np.float64]:
    """Score each cell for each term by a univariate linear model of its markers.

    Parameters
    ----------
    query
        Cells.
    terms
        Cell Ontology ids; `""`, or a term without markers, scores minus infinity.
    network
        Markers, see :meth:`Markers.network`.
    genes
        Gene table of the query.

    Returns
    -------
    The t value of each term's markers, (cells, terms).
    """
    import decoupler as dc

    if network.empty:
        return np.full((query.counts.shape[0], len(terms)), -np.inf)
    columns = np.flatnonzero(query.measured)
    values = pd.DataFrame(
        log_cp10k(query.counts, query.measured)[:, columns].toarray(),
        columns=symbols_of(query, genes),
    )
    values.index = values.index.astype(str)
    found, _ = dc.mt.ulm(data=values, net=network, tmin=FEWEST_MARKERS, empty=False, verbose=False)
    scores = found.reindex(index=values.index, columns=list(dict.fromkeys(terms)))
    return scores[list(terms)].fillna(-np.inf).to_numpy(dtype=np.float64)
