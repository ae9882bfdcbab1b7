"""What is asked of two groups, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scmmgpt_tl import ontology

from .account import LEAST_LOG2_FOLD, is_difference
from .differences import differing_genes, differing_sets, differing_shares, differing_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scmmgpt_tl.model import Model

    from .compared import Compared
    from .two_groups import Units

__all__ = ["comparison_tables"]


def comparison_tables(
    cells: Compared,
    units: Units,
    *,
    texts: Sequence[str],
    model: Model,
    gene_sets: Mapping[str, Sequence[str]],
) -> dict[str, pd.DataFrame]:
    """Ask where two groups differ.

    Parameters
    ----------
    cells
        Of both groups.
    units
        What counts as one observation.
    texts
        That the cells were compared with.
    model
        Names genes, and knows markers.
    gene_sets
        Names of the genes of each set.

    Returns
    -------
    `types`, `differing_genes`, `markers`, `gene_sets` and `texts`.
    """
    genes = differing_genes(cells.counts, model.genes.symbols, cells.code, units=units)
    told = genes[is_difference(genes, "log2_fold", LEAST_LOG2_FOLD)]
    up = {
        side: told.loc[np.sign(told["log2_fold"]) == sign, "gene"].tolist()
        for side, sign in (("a", 1), ("b", -1))
    }

    def both(sets: Mapping[str, Sequence[str]]) -> pd.DataFrame:
        parts = [
            differing_sets(genes, sets, higher=names).assign(higher_in=side)
            for side, names in up.items()
        ]
        return pd.concat(parts, ignore_index=True)

    return {
        "types": differing_shares(cells.labels, cells.code, units),
        "differing_genes": genes,
        "markers": both(_known_markers(model)),
        "gene_sets": both(gene_sets),
        "texts": differing_texts(cells.cosine, texts, cells.code, units=units),
    }


def _known_markers(model: Model) -> dict[str, list[str]]:
    """Genes that curated sources name as markers of the model's labels."""
    if not model.markers.terms:
        return {}
    everything = np.ones(len(model.genes), dtype=bool)
    weights = model.markers.weights(
        model.labels.cl_ids, everything, ontology=ontology.load(), by_contrast=False
    )
    symbols = np.array(model.genes.symbols, dtype=object)
    columns = np.split(weights.indices, weights.indptr[1:-1])
    return {
        name: symbols[genes].tolist()
        for name, genes in zip(model.labels.names, columns, strict=True)
    }
