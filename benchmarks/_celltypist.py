"""CellTypist, trained on the corpus of the model."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from _panel import query_values, read_panel
from anndata import AnnData

if TYPE_CHECKING:
    from _data import Query
    from _material import Training
    from numpy.typing import NDArray


@dataclass(frozen=True)
class CellTypist:
    """What `celltypist.train` returned for the genes of one query.

    Parameters
    ----------
    columns
        Genes it reads.
    model
        The `celltypist.models.Model`.
    types
        Cell Ontology ids of its classes.
    """

    columns: NDArray[np.int64]
    model: Any
    types: tuple[str, ...]

    def probabilities(self, query: Query) -> NDArray[np.float64]:
        """Probability of each type in each cell, (cells, types): each against all others."""
        values = query_values(query, self.columns)
        adata = AnnData(values)
        adata.obs_names = [f"cell{i}" for i in range(len(values))]
        adata.var_names = _gene_names(self.columns)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = open_celltypist().annotate(adata, model=self.model)
        return found.probability_matrix[list(self.types)].to_numpy(dtype=np.float64)


def fit_celltypist(
    training: Training, measured: NDArray[np.bool_], *, max_genes: int, max_iter: int
) -> CellTypist:
    """Run `celltypist.train` on the genes that the query measured too.

    Parameters
    ----------
    training
        Cells drawn from the model's own training source.
    measured
        Genes that the query measured, (genes,).
    max_genes
        Most genes to read, see :func:`_panel.read_panel`.
    max_iter
        Most iterations of its regression.
    """
    panel = read_panel(training, measured, max_genes=max_genes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = open_celltypist().train(
            panel.values.toarray(),
            labels=np.array(training.types)[panel.term],
            genes=_gene_names(panel.columns),
            # The ten thousand are of all measured genes, not of those chosen among them.
            check_expression=False,
            max_iter=max_iter,
        )
    return CellTypist(panel.columns, model, tuple(map(str, model.cell_types)))


def _gene_names(columns: NDArray[np.int64]) -> list[str]:
    return [f"gene{i}" for i in columns]


def open_celltypist() -> Any:
    """Import CellTypist without the messages that it prints from then on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import celltypist
    logging.getLogger("celltypist").setLevel(logging.ERROR)
    return celltypist
