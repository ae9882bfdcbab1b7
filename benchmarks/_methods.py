"""The methods, each from a study to its answers."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _baselines import Markers, fit_logistic, score_markers, share_out, symbols_of
from _data import Study, read_query
from _material import Training

import scmmgpt_tl as scmm
from scmmgpt_tl.model.genes import GeneTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from numpy.typing import NDArray

WARM_UP = 16


@dataclass(frozen=True)
class Setup:
    """What methods need besides the cells.

    Parameters
    ----------
    model
        Folder of the bundle, `None` for the one that ships with the package.
    training
        Folder of the baselines' training cells.
    markers
        Table of marker genes.
    n_genes
        Most genes that the regression reads.
    max_iter
        Most iterations of the regression.
    """

    model: Path | None
    training: Path
    markers: Path
    n_genes: int
    max_iter: int

    def genes(self) -> GeneTable:
        """Gene table of the model, read without loading the model."""
        folder = self.model or Path(scmm.__file__).parent / "models" / "default"
        return GeneTable.read(folder / "genes.tsv")


@dataclass(frozen=True)
class Answers:
    """What a method says of the cells of a study.

    Parameters
    ----------
    closed
        Score of each label of the study, the highest wins, (cells, labels).
    refused
        Cells that the method does not judge at all, (cells,).
    seconds
        Time of the open annotation of all cells, after start-up and training.
    open_ids
        By setting: Cell Ontology id for each cell, `""` for unknown, (cells,).
    stated
        Stated chance of the best of the study's labels, `None` where the method states none.
    training_seconds
        Time spent on training for this study.
    """

    closed: NDArray[np.floating]
    refused: NDArray[np.bool_]
    seconds: float
    open_ids: dict[str, NDArray[np.str_]] = field(default_factory=dict)
    stated: NDArray[np.floating] | None = None
    training_seconds: float = 0.0


def run_scmmgpt(study: Study, setup: Setup) -> Answers:
    """Annotate with this package: the study's labels, the model's own, and the deepest supported."""
    model = scmm.load_model(setup.model or "default")
    _annotate(study, study.adata[:WARM_UP].copy(), model=model)
    start = time.perf_counter()
    own = _annotate(study, study.adata, model=model)
    seconds = time.perf_counter() - start
    deepest = _annotate(study, study.adata, model=model, level="deepest")
    closed = _annotate(study, study.adata, model=model, labels=list(study.asked), threshold=0.0)
    reasons = closed.obs["scmm_cell_type_reason"]
    return Answers(
        closed=closed.obsm["scmm_cell_type_scores"].to_numpy(),
        refused=(reasons != "ok").to_numpy(),
        seconds=seconds,
        open_ids={
            "open": own.obs["scmm_cell_type_cl"].to_numpy(dtype=str),
            "deepest": deepest.obs["scmm_cell_type_cl"].to_numpy(dtype=str),
        },
        stated=closed.obs["scmm_cell_type_score"].to_numpy(),
    )


def run_logistic(study: Study, setup: Setup) -> Answers:
    """Train logistic regression on the genes of the study, and apply it."""
    genes = setup.genes()
    training = Training.load(setup.training).over(genes)
    start = time.perf_counter()
    fitted = fit_logistic(
        training,
        read_query(study, genes).measured,
        max_genes=setup.n_genes,
        max_iter=setup.max_iter,
    )
    trained = time.perf_counter()
    p = fitted.probabilities(read_query(study, genes))
    best = np.array(fitted.types)[p.argmax(1)]
    seconds = time.perf_counter() - trained
    closed = share_out(p, fitted.types, study.cl_ids)
    return Answers(
        # A label that no class is, or descends from, cannot be answered.
        closed=np.where(closed > 0, closed, -np.inf),
        refused=np.zeros(len(p), dtype=bool),
        seconds=seconds,
        open_ids={"open": best},
        stated=closed.max(1) / np.maximum(closed.sum(1), 1e-12),
        training_seconds=trained - start,
    )


def run_markers(study: Study, setup: Setup) -> Answers:
    """Score marker genes."""
    genes, markers = setup.genes(), Markers.read(setup.markers)
    query = read_query(study, genes)
    known = symbols_of(query, genes)
    asked = markers.network(filter(None, study.cl_ids), known)
    every = markers.network(markers.terms, known)
    # The first call compiles.
    closed = score_markers(query, study.cl_ids, network=asked, genes=genes)
    start = time.perf_counter()
    query = read_query(study, genes)
    scores = score_markers(query, markers.terms, network=every, genes=genes)
    best = np.array(markers.terms)[scores.argmax(1)]
    return Answers(
        closed=closed,
        refused=np.zeros(len(closed), dtype=bool),
        seconds=time.perf_counter() - start,
        open_ids={"open": best},
    )


def _annotate(study: Study, adata: AnnData, **arguments: Any) -> AnnData:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return scmm.tl.annotate(adata, counts=study.counts, copy=True, **arguments)


METHODS: dict[str, Callable[[Study, Setup], Answers]] = {
    "scmmgpt": run_scmmgpt,
    "logistic": run_logistic,
    "markers": run_markers,
}
