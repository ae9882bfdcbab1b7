"""Labelled cells of one study, wherever their counts lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scmmgpt_tl.train.mapping import current_terms, not_learned

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

# Names that say nothing about who it was.
NOBODY = frozenset({"", "na", "nan", "none", "unknown", "pooled"})


class Counts(Protocol):
    """Counts of cells over the genes of the model: a CSR matrix, or what gives one when asked."""

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""

    def __getitem__(self, rows: NDArray[np.int64], /) -> sp.csr_matrix:
        """Read some cells, in any order."""


@dataclass(frozen=True)
class Cells:
    """Labelled real cells of one study.

    Labels are in memory, one entry a cell; counts need not be.

    Parameters
    ----------
    counts
        Of each cell, over the genes of the model.
    measured
        True where the study measured a gene, (genes,).
    terms, tissues, donors
        Cell Ontology id, tissue and donor of each cell, in the words of the source.
    study
        Name of the study.
    source
        File or store that it is in.
    cited
        What the source says of its origin: articles, accessions.
    """

    counts: Counts
    measured: NDArray[np.bool_]
    terms: pd.Categorical
    tissues: pd.Categorical
    donors: pd.Categorical
    study: str
    source: str = ""
    cited: str = ""

    @property
    def in_memory(self) -> bool:
        """Whether the counts are."""
        return sp.issparse(self.counts)


class Labels:
    """Labels of the cells of a source that have a type, and where in it they are.

    Parameters
    ----------
    terms, tissues, donors
        One entry for each cell of the source.
    without_types
        Cell Ontology ids to leave out, with all kinds of them.
    """

    def __init__(
        self, terms: Any, tissues: Any, donors: Any, *, without_types: Collection[str] = ()
    ) -> None:
        named = as_categorical(terms)
        current = np.array(current_terms(named.categories), dtype=object)
        typed = ~np.isin(current, list(not_learned(without_types)))
        self.rows: NDArray[np.int64] = np.flatnonzero(typed[named.codes])
        self.terms = pd.Categorical(current[named.codes[self.rows]])
        self.tissues = as_categorical(tissues)[self.rows].remove_unused_categories()
        self.donors = as_categorical(donors)[self.rows].remove_unused_categories()


def as_categorical(values: Any) -> pd.Categorical:
    """Return a column as texts, `""` where nothing is said."""
    found = pd.Categorical(values)
    names = found.categories.astype(object).map(str)
    # Categories that only differ in their type, such as 1 and "1", are one text.
    names, codes = np.unique(np.array([*names, ""], dtype=str), return_inverse=True)
    return pd.Categorical.from_codes(codes[found.codes], categories=names.astype(object))


def donor_names(donors: pd.Categorical) -> frozenset[str]:
    """Return the names of all donors that are known by name."""
    return frozenset(str(name) for name in donors.categories if name.lower() not in NOBODY)
