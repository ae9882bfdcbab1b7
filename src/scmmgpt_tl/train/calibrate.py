"""Fit temperature and score on studies that were kept out of training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

from scmmgpt_tl import ontology
from scmmgpt_tl.model.calibration import Calibration, fit_score, fit_temperature
from scmmgpt_tl.model.markers import evidence
from scmmgpt_tl.ontology._roll_up import on_one_line
from scmmgpt_tl.ontology._share_out import Sharing

from .held_out import Encoded, HeldOut, encode, held_out_parts
from .text_vectors import text_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from scmmgpt_tl.model.genes import GeneTable
    from scmmgpt_tl.model.labels import LabelTable
    from scmmgpt_tl.model.markers import MarkerTable
    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .config import RunConfig
    from .cross_fit import Twin

THRESHOLD = 0.5
MIN_GENES = 20
PRIORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
# Where every cell is of a type that has markers, more belief would pay; but a cell that is none of
# the labels has the markers of some.
MARKER_WEIGHTS, DEFAULT_MARKER_WEIGHT = (0.0, 0.1, 0.2, 0.3), 0.2
TEXT_TEMPERATURES = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)


def calibrate(
    network: ScMMGPT,
    label_embeddings: NDArray[np.float32],
    labels: LabelTable,
    genes: GeneTable,
    text_tokenizer: Tokenizer,
    config: RunConfig,
    *,
    markers: MarkerTable,
    twins: Sequence[Twin] = (),
) -> tuple[Calibration, tuple[Measured, ...]]:
    """Fit the calibration of a bundle, and measure what the bundle is worth.

    A label counts as right where it is the true term, one above it, or one below it: the truth of
    a study may be coarser than what its cells are. Labels of the user are calibrated on the terms
    that occur in each held-out part.

    Parameters
    ----------
    network
        With the weights that users will run.
    label_embeddings
        Unit vectors of the model's labels, (labels, projection).
    labels
        The labels.
    genes
        Gene table of the model.
    text_tokenizer
        Of the bridge.
    config
        The run, which names the studies held out.
    markers
        Marker genes of the bundle.
    twins
        What twins of the model say of studies that they have not seen: the score is fitted on
        these, or, without any, on the held-out parts.

    Returns
    -------
    The calibration, and how right the model is on each held-out part with it.
    """
    cells = [
        _Compared.of(network, part, label_embeddings) for part in held_out_parts(config, genes)
    ]
    bias = np.log(labels.n_profiles)
    temperature, prior = _fit_own(cells, labels.cl_ids, bias)
    first = Calibration(
        temperature=temperature,
        slope=1.0,
        intercept=0.0,
        threshold=THRESHOLD,
        min_genes=MIN_GENES,
        prior=prior,
        fitted_on=(
            *(path.stem for path in config.held_out_cells),
            *config.held_out_studies,
            *(f"{name} (in turn)" for name in config.cross_fit if twins),
        ),
    )
    asked = [_Asked.of(network, text_tokenizer, c, first, labels.cl_ids, markers) for c in cells]
    with_text = replace(first, text_temperature=_fit_text(asked))
    own = [
        (
            first.probabilities(c.cosine, labels.n_profiles),
            _evidence(markers, c.part, labels.cl_ids),
        )
        for c in cells
    ]
    right = [consistent(c.part.terms, labels.cl_ids) for c in cells]
    believed = replace(with_text, marker_weight=_fit_markers(with_text, asked, own, right))
    if twins:
        lines = [
            _best_line(_p_of(believed, t.cosine, t.n_profiles, t.evidence), t.lines, t.right)
            for t in twins
        ]
    else:
        related = consistent(labels.cl_ids, labels.cl_ids)
        lines = [
            # As users see it: what is no cell for sure is no cell of a type for sure.
            _best_line(believed.with_markers(*said) * c.encoded.single[:, None], related, fits)
            for said, c, fits in zip(own, cells, right, strict=True)
        ]
    slope, intercept = fit_score(*map(np.concatenate, zip(*lines, strict=True)))
    fitted = replace(believed, slope=slope, intercept=intercept)
    return fitted, tuple(
        Measured.of(fitted, *found) for found in zip(cells, asked, own, right, strict=True)
    )


def _p_of(
    calibration: Calibration,
    cosine: NDArray[np.float64],
    n_profiles: NDArray[np.int64],
    said: NDArray[np.float32],
) -> NDArray[np.float32]:
    return calibration.with_markers(calibration.probabilities(cosine, n_profiles), said)


def _best_line(
    p: NDArray[np.floating], lines: NDArray[np.bool_], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return what speaks for the best label of each cell, and whether it is right.

    That is its own probability and that of the labels above and below it. Cells that no label can
    be right about say nothing of what a score is worth.
    """
    p, right = p[right.any(1)], right[right.any(1)]
    best, rows = p.argmax(1), np.arange(len(p))
    line = (p @ lines.T.astype(float))[rows, best]
    return line.clip(0, 1), right[rows, best]


class Measured(NamedTuple):
    """How right a model is on one held-out part.

    Parameters
    ----------
    name
        Of the part.
    n_cells
        Its cells.
    consistent
        Share of cells whose best own label is the true term, or one above or below it.
    n_terms
        Cell types of the part.
    closed
        Share of cells that get their own term where these are given.
    """

    name: str
    n_cells: int
    consistent: float
    n_terms: int
    closed: float

    @classmethod
    def of(
        cls,
        calibration: Calibration,
        cells: _Compared,
        asked: _Asked,
        own: tuple[NDArray[np.float32], NDArray[np.float32]],
        right: NDArray[np.bool_],
    ) -> Measured:
        """Measure one part."""
        best = calibration.with_markers(*own).argmax(1)
        shared = calibration.with_markers(asked.shared(calibration), asked.evidence)
        return cls(
            cells.part.name,
            len(best),
            float(right[np.arange(len(best)), best].mean()),
            shared.shape[1],
            float((shared.argmax(1) == asked.truth).mean()),
        )


class _Compared(NamedTuple):
    part: HeldOut
    encoded: Encoded
    cosine: NDArray[np.float64]  # (cells, labels)

    @classmethod
    def of(
        cls, network: ScMMGPT, part: HeldOut, label_embeddings: NDArray[np.float32]
    ) -> _Compared:
        encoded = encode(network, part)
        return cls(part, encoded, encoded.cosines(label_embeddings))


class _Asked(NamedTuple):
    """A held-out part whose own terms are asked for, as a user would."""

    own: NDArray[np.floating]  # (cells, labels of the model) probabilities
    cosine: NDArray[np.float64]  # (cells, terms)
    sharing: Sharing  # from labels of the model to terms
    evidence: NDArray[np.float32]  # (cells, terms)
    truth: NDArray[np.int64]  # (cells,)
    is_real: bool

    @classmethod
    def of(
        cls,
        network: ScMMGPT,
        tokenizer: Tokenizer,
        cells: _Compared,
        calibration: Calibration,
        own_ids: Sequence[str],
        markers: MarkerTable,
    ) -> _Asked:
        part = cells.part
        terms = sorted(set(part.terms))
        return cls(
            calibration.probabilities(cells.cosine),
            cells.encoded.cosines(text_vectors(network, tokenizer, terms)),
            Sharing.between(own_ids, terms, ontology=ontology.load()),
            _evidence(markers, part, terms, by_contrast=True),
            np.array([terms.index(term) for term in part.terms]),
            part.is_real,
        )

    def shared(self, calibration: Calibration) -> NDArray[np.float64]:
        return self.sharing.share_out(self.own, calibration.text_probabilities(self.cosine))

    def loss(self, p: NDArray[np.floating]) -> float:
        return float(-np.log(p[np.arange(len(p)), self.truth].clip(1e-6)).mean())


def _fit_own(
    cells: Sequence[_Compared], label_ids: Sequence[str], bias: NDArray[np.floating]
) -> tuple[float, float]:
    """Temperature and prior of the model's own labels."""
    cosine = np.concatenate([c.cosine for c in cells])
    right = consistent([term for c in cells for term in c.part.terms], label_ids)
    known = right.any(1)
    fits = [
        (fit_temperature(cosine[known], right[known], bias=prior * bias), prior) for prior in PRIORS
    ]
    (_, temperature), prior = min(fits)
    return temperature, prior


def _fit_text(asked: Sequence[_Asked]) -> float:
    """Temperature of texts under which the terms of each part are told apart best."""

    def loss(temperature: float) -> float:
        tried = Calibration(1.0, 1.0, 0.0, 0.5, 0, text_temperature=temperature)
        return float(np.mean([part.loss(part.shared(tried)) for part in asked]))

    return min(TEXT_TEMPERATURES, key=loss)


def _fit_markers(
    calibration: Calibration,
    asked: Sequence[_Asked],
    own: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    right: Sequence[NDArray[np.bool_]],
) -> float:
    """How much to believe marker genes, so that asked and own labels are told apart best.

    Only real cells can tell: drawn ones express what the profiles say that markers come from.
    """
    real = [
        (part, part.shared(calibration), said, fits)
        for part, said, fits in zip(asked, own, right, strict=True)
        if part.is_real
    ]
    if not real:
        return DEFAULT_MARKER_WEIGHT

    def loss(weight: float) -> float:
        tried = replace(calibration, marker_weight=weight)
        found = []
        for part, shared, said, fits in real:
            found.append(part.loss(tried.with_markers(shared, part.evidence)))
            known = fits.any(1)
            chance = (tried.with_markers(*said) * fits).sum(1)[known]
            found.append(float(-np.log(chance.clip(1e-6)).mean()))
        return float(np.mean(found))

    return min(MARKER_WEIGHTS, key=loss)


def _evidence(
    markers: MarkerTable, part: HeldOut, terms: Sequence[str], *, by_contrast: bool = False
) -> NDArray[np.float32]:
    every = np.ones(part.counts.shape[1], dtype=bool)
    weights = markers.weights(terms, every, ontology=ontology.load(), by_contrast=by_contrast)
    return evidence(sparse.csr_matrix(part.values), weights, part.measured)


def consistent(truth: Sequence[str], labels: Sequence[str]) -> NDArray[np.bool_]:
    """True at (cell, label) where a label is the true term, above it or below it."""
    return on_one_line(truth, labels, ontology=ontology.load())
