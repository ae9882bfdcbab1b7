"""scVI and then scANVI of the user's counts, as scvi-tools trains them."""

from __future__ import annotations

import logging
import random
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scmmgpt_tl._expression import log_expression
from scmmgpt_tl._matrix import get_matrix, row_blocks
from scmmgpt_tl.tl._answers.verdict import OK
from scmmgpt_tl.tl._labels import UNKNOWN
from scmmgpt_tl.tl._refinement.place import N_GENES, most_variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from scmmgpt_tl._stream.cells import StoredCells

    from .said import Said

__all__ = ["choose_seeds", "open_scvi", "read_counts", "train_scanvi"]

# What the scArches tutorial of scvi-tools recommends: cells of further studies can be mapped, and
# a last minibatch of one cell does no harm.
NETWORK = {
    "use_layer_norm": "both",
    "use_batch_norm": "none",
    "encode_covariates": True,
    "dropout_rate": 0.2,
    "n_layers": 2,
}
# A label with fewer sure cells is not shown to scANVI; of each it sees so many an epoch.
FEWEST, PER_LABEL = 5, 100
# All cells are learned from: none is set apart, by a chance that no seed reaches.
DATA = {"train_size": 1.0, "shuffle_set_split": False}
_LOUD = ("scvi", "lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")


def open_scvi() -> Any:
    """Import scvi-tools.

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        import scvi
    except ImportError as error:
        error.add_note(
            "`method='scanvi'` needs scvi-tools: `pip install 'scmmgpt-tl[scvi]'`. "
            "`method='linear'` does without."
        )
        raise
    return scvi


def choose_seeds(said: Said) -> NDArray[np.object_]:
    """Return the label of the cells that the model is sure of, `"unknown"` elsewhere, `(n_cells,)`.

    Parameters
    ----------
    said
        What it says of them.

    Raises
    ------
    ValueError
        There are not two labels with enough sure cells.
    """
    seeds = np.where(said.reasons == OK, said.labels, UNKNOWN).astype(object)
    names, numbers = np.unique(seeds.astype(str), return_counts=True)
    seeds[np.isin(seeds.astype(str), names[numbers < FEWEST])] = UNKNOWN
    labels = sorted(set(seeds) - {UNKNOWN})
    if len(labels) < 2:
        msg = (
            f"scANVI needs two labels with at least {FEWEST} sure cells each, found {len(labels)}: "
            f"{', '.join(labels) or 'none'}. Annotate with the labels that you expect, or a lower "
            "`threshold`, and pass its `key`; or leave `method` at 'linear'."
        )
        raise ValueError(msg)
    return seeds


def read_counts(adata: AnnData | StoredCells, layer: str | None, obs: pd.DataFrame) -> AnnData:
    """Read the counts of the most variable genes, where the user keeps them.

    Parameters
    ----------
    adata
        Cells x genes.
    layer
        Layer of the counts, `None` for `X`.
    obs
        Batch and label of the cells, for scvi-tools to register.

    Returns
    -------
    A new object, all cells x at most 2,000 genes, with the names of `adata`.
    """
    from anndata import AnnData

    matrix = get_matrix(adata, layer)

    def blocks() -> Iterator[sparse.csr_matrix]:
        return (block for *_, block in row_blocks(matrix, 2048))

    columns = most_variable(map(log_expression, blocks()), N_GENES)
    counts = sparse.vstack([block[:, columns] for block in blocks()], format="csr")
    genes = adata.var_names[columns]
    if layer is None:
        cells = AnnData(counts, obs=obs)
    else:
        cells = AnnData(obs=obs, shape=counts.shape, layers={layer: counts})
    cells.var_names = genes
    return cells


def train_scanvi(
    cells: AnnData,
    *,
    layer: str | None,
    max_epochs: int | None,
    seed: int,
    device: str,
    progress: bool,
) -> tuple[Any, NDArray[np.float32]]:
    """Train scVI on all cells, and scANVI from there on the labels of some.

    Parameters
    ----------
    cells
        From :func:`read_counts`; scvi-tools registers them.
    layer
        Where their counts are.
    max_epochs
        Epochs of scVI; `None` leaves it to scvi-tools, as those of scANVI always are.
    seed
        Of all that is drawn.
    device
        `"cpu"`, or anything else for what lightning finds.
    progress
        Whether to show bars.

    Returns
    -------
    The `scvi.model.SCANVI`, and its latent representation, `(n_cells, 10)`.
    """
    scvi = open_scvi()
    batch_key, labels_key = cells.obs
    training: dict[str, Any] = DATA | {
        "accelerator": "cpu" if device == "cpu" else "auto",
        "enable_progress_bar": progress,
        "logger": False,
    }
    with _quiet(), _seeded(seed):
        scvi.model.SCVI.setup_anndata(
            cells, layer=layer, batch_key=batch_key, labels_key=labels_key
        )
        first = scvi.model.SCVI(cells, **NETWORK)
        first.train(max_epochs=max_epochs, **training)
        model = scvi.model.SCANVI.from_scvi_model(first, unlabeled_category=UNKNOWN)
        model.train(n_samples_per_label=PER_LABEL, **training)
        latent = model.get_latent_representation()
    return model, latent.astype(np.float32)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, which scvi-tools draws from, and give them back as they were."""
    import torch

    python, old = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(old)  # noqa: NPY002


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the remarks of two libraries on one another to themselves."""
    loggers = [logging.getLogger(name) for name in _LOUD]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
