"""The methods, each from a study to its answers."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from _data import Study, read_query
from _markers import Markers, score_markers
from _material import Training
from _panel import Classifier, share_out, symbols_of, types_below

import scmmgpt_tl as scmm
from scmmgpt_tl.model.genes import GeneTable
from scmmgpt_tl.model.labels import LabelTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _scanvi import Scanvi
    from anndata import AnnData
    from numpy.typing import NDArray

Trained = TypeVar("Trained", bound=Classifier)

WARM_UP = 16
CLOSED, OPEN, DEEPEST = "closed", "open", "deepest"


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
    sentences
        Folder of the sentence encoder.
    n_genes
        Most genes that the trained baselines read.
    max_iter
        Most iterations of the regressions.
    epochs
        Epochs of scVI before scANVI, and of the mapping after it.
    seed
        Of baselines that draw.
    """

    model: Path | None
    training: Path
    markers: Path
    sentences: Path
    n_genes: int
    max_iter: int
    epochs: int
    seed: int

    def folder(self) -> Path:
        """Folder of the bundle."""
        return self.model or Path(scmm.__file__).parent / "models" / "default"

    def genes(self) -> GeneTable:
        """Gene table of the model, read without loading the model."""
        return GeneTable.read(self.folder() / "genes.tsv")

    def terms(self) -> tuple[str, ...]:
        """Cell Ontology ids of the model's own labels, read without loading the model."""
        return tuple(filter(None, LabelTable.read(self.folder() / "labels.tsv").cl_ids))


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
    certainty
        By setting: how certain each answer is, unknown or not, (cells,).
    forced_ids
        By setting: what the answers would have been if nothing could be unknown, where that differs
        from `open_ids`, (cells,). Certainty is about these.
    states_chances
        Whether `certainty` is meant as the chance of being right.
    training_seconds
        Time spent on training for this study.
    """

    closed: NDArray[np.floating]
    refused: NDArray[np.bool_]
    seconds: float
    open_ids: dict[str, NDArray[np.str_]] = field(default_factory=dict)
    certainty: dict[str, NDArray[np.floating]] = field(default_factory=dict)
    forced_ids: dict[str, NDArray[np.str_]] = field(default_factory=dict)
    states_chances: bool = False
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
    forced = _annotate(study, study.adata, model=model, threshold=0.0)
    return Answers(
        closed=closed.obsm["scmm_cell_type_scores"].to_numpy(),
        refused=~_is_judged(closed),
        seconds=seconds,
        open_ids={
            OPEN: own.obs["scmm_cell_type_cl"].to_numpy(dtype=str),
            DEEPEST: deepest.obs["scmm_cell_type_cl"].to_numpy(dtype=str),
        },
        certainty={
            name: np.where(_is_judged(found), found.obs["scmm_cell_type_score"].to_numpy(), 0.0)
            for name, found in ((CLOSED, closed), (OPEN, own), (DEEPEST, deepest))
        },
        forced_ids={OPEN: forced.obs["scmm_cell_type_cl"].to_numpy(dtype=str)},
        states_chances=True,
    )


def run_logistic(study: Study, setup: Setup) -> Answers:
    """Train logistic regression on the genes of the study, and apply it."""
    from _logistic import fit_logistic

    fit = partial(fit_logistic, max_genes=setup.n_genes, max_iter=setup.max_iter)
    return _classify(study, setup, fit)[0]


def run_celltypist(study: Study, setup: Setup) -> Answers:
    """Train CellTypist on the genes of the study, and apply it."""
    from _celltypist import fit_celltypist

    fit = partial(fit_celltypist, max_genes=setup.n_genes, max_iter=setup.max_iter)
    return _classify(study, setup, fit)[0]


def run_nearest(study: Study, setup: Setup) -> Answers:
    """Find the nearest training cells by the genes of the study: with labels given, of these."""
    from _nearest import fit_nearest

    fit = partial(fit_nearest, max_genes=setup.n_genes, seed=setup.seed)
    answers, fitted = _classify(study, setup, fit)
    closest = fitted.among(types_below(fitted.types, study.cl_ids))
    p = closest.probabilities(read_query(study, setup.genes()))
    closed, certainty = _of_labels(p, closest.types, study)
    return replace(answers, closed=closed, certainty=answers.certainty | {CLOSED: certainty})


def run_scanvi(study: Study, setup: Setup) -> Answers:
    """Map the study to a scANVI model of the training cells, which the first study trains."""
    from _scanvi import fit_scanvi

    def fit(training: Training, _measured: NDArray[np.bool_]) -> Scanvi:
        return fit_scanvi(
            training,
            folder=setup.training,
            max_genes=setup.n_genes,
            epochs=setup.epochs,
            seed=setup.seed,
        )

    return _classify(study, setup, fit)[0]


def run_capitals(study: Study, setup: Setup) -> Answers:
    """Annotate a mouse as if it were human, its symbols written in capitals."""
    names = study.adata.var_names.str.upper()
    known = names.isin(setup.genes().symbols) & ~names.duplicated()
    adata = study.adata[:, known].copy()
    adata.var_names = names[known]
    return run_scmmgpt(replace(study, adata=adata), setup)


def run_mouse_markers(study: Study, setup: Setup) -> Answers:
    """Score marker genes of the mouse, through their human orthologs as the cells are read."""
    return run_markers(study, setup, Markers.read(setup.markers, of_mouse=setup.genes()))


def run_markers(study: Study, setup: Setup, markers: Markers | None = None) -> Answers:
    """Score marker genes, by default those of the human."""
    genes = setup.genes()
    markers = Markers.read(setup.markers) if markers is None else markers
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
        open_ids={OPEN: best},
        certainty={CLOSED: closed.max(1), OPEN: scores.max(1)},
    )


def run_sentences(study: Study, setup: Setup) -> Answers:
    """Compare cells as sentences of genes with the words of the labels."""
    from _sentences import SentenceEncoder, cell_sentences, words_of

    genes, encoder = setup.genes(), SentenceEncoder(setup.sentences)
    asked = encoder.embed_wordings(
        [words_of(*pair) for pair in zip(study.cl_ids, study.labels, strict=True)]
    )
    terms = np.array(setup.terms())
    every = encoder.embed_wordings([words_of(term) for term in terms])
    start = time.perf_counter()
    cells = encoder.embed(cell_sentences(read_query(study, genes), genes))
    scores = cells @ every.T
    seconds = time.perf_counter() - start
    closed = cells @ asked.T
    return Answers(
        closed=closed,
        refused=np.zeros(len(closed), dtype=bool),
        seconds=seconds,
        open_ids={OPEN: terms[scores.argmax(1)]},
        certainty={CLOSED: closed.max(1), OPEN: scores.max(1)},
    )


def _classify(
    study: Study, setup: Setup, fit: Callable[[Training, NDArray[np.bool_]], Trained]
) -> tuple[Answers, Trained]:
    """Train a classifier on the genes of the study, and apply it."""
    genes = setup.genes()
    training = Training.load(setup.training).over(genes)
    start = time.perf_counter()
    fitted = fit(training, read_query(study, genes).measured)
    trained = time.perf_counter()
    p = fitted.probabilities(read_query(study, genes))
    best = np.array(fitted.types)[p.argmax(1)]
    seconds = time.perf_counter() - trained
    closed, certainty = _of_labels(p, fitted.types, study)
    answers = Answers(
        closed=closed,
        refused=np.zeros(len(p), dtype=bool),
        seconds=seconds,
        open_ids={OPEN: best},
        certainty={CLOSED: certainty, OPEN: p.max(1)},
        states_chances=True,
        training_seconds=trained - start,
    )
    return answers, fitted


def _of_labels(
    p: NDArray[np.float64], types: Sequence[str], study: Study
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score of each label of a study, and the share of the best one."""
    shares = share_out(p, types, study.cl_ids)
    # A label that no class is, or descends from, cannot be answered.
    closed = np.where(shares > 0, shares, -np.inf)
    return closed, shares.max(1) / np.maximum(shares.sum(1), 1e-12)


def _annotate(study: Study, adata: AnnData, **arguments: Any) -> AnnData:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return scmm.tl.annotate(adata, counts=study.counts, copy=True, **arguments)


def _is_judged(annotated: AnnData) -> NDArray[np.bool_]:
    """Cells that are answered, or too unsure to be: all but those with too few genes."""
    return ~annotated.obs["scmm_cell_type_reason"].isin(["few genes", "no counts"]).to_numpy()


METHODS: dict[str, Callable[[Study, Setup], Answers]] = {
    "scmmgpt": run_scmmgpt,
    "celltypist": run_celltypist,
    "logistic": run_logistic,
    "knn": run_nearest,
    "scanvi": run_scanvi,
    "markers": run_markers,
    "sentences": run_sentences,
    "capitals": run_capitals,
    "mouse_markers": run_mouse_markers,
}
# They train on cells drawn from the model's own sources.
TRAINED = frozenset({"celltypist", "logistic", "knn", "scanvi"})
