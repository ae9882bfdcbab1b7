"""scANVI on one data set: all of its cells, and the labels of a few of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from _data import read_query
from _scanvi import UNLABELLED, whole_numbers
from _scvi import TRAINING, open_scvi
from anndata import AnnData
from scipy import sparse

if TYPE_CHECKING:
    from _data import Study
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable

VARIABLE_GENES = 2000
PER_LABEL = 100


@dataclass(frozen=True)
class FewLabels:
    """An scVI of all cells of a data set, from which scANVI starts for each choice of labels.

    Parameters
    ----------
    adata
        Counts of the genes that vary most.
    model
        The `scvi.model.SCVI`.
    epochs
        Epochs of scANVI.
    seed
        Of the training.
    """

    adata: AnnData
    model: Any
    epochs: int
    seed: int

    @classmethod
    def read(cls, study: Study, genes: GeneTable, *, epochs: int, seed: int) -> FewLabels:
        """Train scVI on the cells of a study."""
        scvi = open_scvi(seed)
        counts = whole_numbers(read_query(study, genes).counts)
        adata = AnnData(counts[:, most_variable(counts)].tocsr().astype(np.float32))
        adata.obs["label"] = UNLABELLED
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scvi.model.SCVI.setup_anndata(adata)
            model = scvi.model.SCVI(adata)
            model.train(max_epochs=epochs, **TRAINING)
        return cls(adata, model, epochs, seed)

    def answer(
        self, truth: NDArray[np.int64], shown: NDArray[np.int64], rest: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the labels of the rest of the cells, after those of some were shown."""
        scvi = open_scvi(self.seed)
        labels = np.full(self.adata.n_obs, UNLABELLED, dtype=object)
        labels[shown] = truth[shown].astype(str)
        adata = self.adata.copy()
        adata.obs["label"] = labels
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = scvi.model.SCANVI.from_scvi_model(
                self.model, unlabeled_category=UNLABELLED, labels_key="label", adata=adata
            )
            model.train(max_epochs=self.epochs, n_samples_per_label=PER_LABEL, **TRAINING)
            found = model.predict()
        return np.asarray(found)[rest].astype(np.int64)


def most_variable(counts: sparse.csr_matrix) -> NDArray[np.int64]:
    """Columns of the genes whose log-normalised expression varies most."""
    total = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
    values = (sparse.diags(1e4 / total) @ counts).tocsr().log1p()
    mean = np.asarray(values.mean(axis=0)).ravel()
    spread = np.asarray(values.power(2).mean(axis=0)).ravel() - mean**2
    return np.argsort(-spread, kind="stable")[:VARIABLE_GENES]
