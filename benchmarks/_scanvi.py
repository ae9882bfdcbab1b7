"""scANVI: a reference model of the training cells, to which a query is mapped."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from _panel import read_panel
from _scvi import TRAINING, open_scvi
from anndata import AnnData
from scipy import sparse

if TYPE_CHECKING:
    from pathlib import Path

    from _data import Query
    from _material import Training
    from numpy.typing import NDArray

UNLABELLED = "unlabelled"
# As the scArches tutorial of scvi-tools has it, so that a query can be mapped.
REFERENCE = {
    "use_layer_norm": "both",
    "use_batch_norm": "none",
    "encode_covariates": True,
    "dropout_rate": 0.2,
    "n_layers": 2,
}
PER_LABEL = 100
# Values that are no counts are brought to this depth.
DEPTH = 3000


@dataclass(frozen=True)
class Scanvi:
    """A reference model.

    Parameters
    ----------
    columns
        Genes it reads.
    folder
        Where the `scvi.model.SCANVI` is kept.
    epochs
        Most epochs of the mapping.
    seed
        Of the mapping.
    types
        Cell Ontology ids of its classes.
    """

    columns: NDArray[np.int64]
    folder: Path
    epochs: int
    seed: int
    types: tuple[str, ...]

    def probabilities(self, query: Query) -> NDArray[np.float64]:
        """Probability of each type in each cell, (cells, types), after mapping these cells."""
        scvi = open_scvi(self.seed)
        adata = _adata(whole_numbers(query.counts)[:, self.columns], self.columns, batch="query")
        adata.obs["term"] = UNLABELLED
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mapped = scvi.model.SCANVI.load_query_data(adata, str(self.folder))
            mapped.train(max_epochs=self.epochs, plan_kwargs={"weight_decay": 0.0}, **TRAINING)
            found = mapped.predict(soft=True)
        return found[list(self.types)].to_numpy(dtype=np.float64)


def fit_scanvi(
    training: Training, *, folder: Path, max_genes: int, epochs: int, seed: int
) -> Scanvi:
    """Train scVI and then scANVI, or take what was trained before.

    Parameters
    ----------
    training
        Cells drawn from the model's own training source.
    folder
        Where references are kept, each under a name that tells what it was trained on, and how.
    max_genes
        Most genes to read, see :func:`_panel.read_panel`.
    epochs
        Most epochs of scVI; the mapping of a query gets as many, scANVI fewer.
    seed
        Of the training.
    """
    panel = read_panel(training, np.ones(training.expression.shape[1], bool), max_genes=max_genes)
    terms = np.array(training.types)[panel.term]
    adata = _adata(
        counts_again(training.expression)[panel.rows][:, panel.columns],
        panel.columns,
        batch="reference",
    )
    adata.obs["term"] = terms
    digest = sha256(repr((terms.tolist(), panel.columns.tolist(), epochs, seed)).encode())
    digest.update(adata.X.data)
    reference = folder / f"scanvi_{digest.hexdigest()[:12]}"
    if not reference.exists():
        _train(adata, epochs=epochs, seed=seed).save(str(reference), save_anndata=True)
    return Scanvi(panel.columns, reference, epochs, seed, tuple(sorted(set(terms))))


def _train(adata: AnnData, *, epochs: int, seed: int) -> Any:
    scvi = open_scvi(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scvi.model.SCVI.setup_anndata(adata, batch_key="batch", labels_key="term")
        first = scvi.model.SCVI(adata, **REFERENCE)
        first.train(max_epochs=epochs, **TRAINING)
        model = scvi.model.SCANVI.from_scvi_model(first, unlabeled_category=UNLABELLED)
        model.train(max_epochs=refining_epochs(epochs), n_samples_per_label=PER_LABEL, **TRAINING)
    return model


def refining_epochs(epochs: int) -> int:
    """Epochs of scANVI after those of scVI, as scvi-tools chooses them by default."""
    return min(10, max(2, round(epochs / 3)))


def counts_again(per_ten_thousand: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the counts that drawn cells had before they were scaled.

    The weakest gene of a cell was, all but always, counted once: it says what one count became.

    Parameters
    ----------
    per_ten_thousand
        Expression per ten thousand, (cells, genes).
    """
    scaled = per_ten_thousand.tocsr(copy=True)
    sizes = np.diff(scaled.indptr)
    smallest = np.ones(len(sizes))
    filled = sizes > 0
    smallest[filled] = np.minimum.reduceat(scaled.data, scaled.indptr[:-1][filled])
    scaled.data = np.rint(scaled.data / np.repeat(smallest, sizes)).astype(np.float32)
    return scaled


def whole_numbers(values: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return counts as they are, and rows of other linear values as counts of one depth."""
    if (values.data == np.rint(values.data)).all():
        return values
    total = np.asarray(values.sum(axis=1)).ravel()
    factor = np.divide(DEPTH, total, out=np.zeros_like(total), where=total > 0)
    scaled = (sparse.diags(factor) @ values).tocsr()
    scaled.data = np.rint(scaled.data).astype(np.float32)
    scaled.eliminate_zeros()
    return scaled


def _adata(counts: sparse.csr_matrix, columns: NDArray[np.int64], *, batch: str) -> AnnData:
    adata = AnnData(counts.tocsr().astype(np.float32))
    adata.obs_names = [f"{batch}{i}" for i in range(adata.n_obs)]
    adata.var_names = [f"gene{i}" for i in columns]
    adata.obs["batch"] = batch
    return adata
