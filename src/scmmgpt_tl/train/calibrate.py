"""Fit temperature and score on studies that were kept out of training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy import sparse

from scmmgpt_tl import ontology
from scmmgpt_tl.model.calibration import Calibration, fit_knots, fit_temperature
from scmmgpt_tl.model.markers import evidence
from scmmgpt_tl.model.padding import pad_texts
from scmmgpt_tl.model.prompts import label_wordings
from scmmgpt_tl.ontology._roll_up import on_one_line
from scmmgpt_tl.ontology._share_out import compatible, share_out

from .corpus.files import open_cells
from .draw import CellSource, log_normalise
from .reference import read_profiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from scmmgpt_tl.model.genes import GeneTable
    from scmmgpt_tl.model.labels import LabelTable
    from scmmgpt_tl.model.markers import MarkerTable
    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .config import RunConfig

N_CELLS = 4000
THRESHOLD = 0.5
MIN_GENES = 20
PRIORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
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
        knots_x=(0.0, 1.0),
        knots_y=(0.0, 1.0),
        threshold=THRESHOLD,
        min_genes=MIN_GENES,
        prior=prior,
        fitted_on=(*(path.stem for path in config.held_out_cells), *config.held_out_studies),
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
    p = np.concatenate([believed.with_markers(*said) for said in own])
    hit = np.concatenate(right)
    p, hit = p[hit.any(1)], hit[hit.any(1)]
    best, rows = p.argmax(1), np.arange(len(p))
    # What speaks for a label is its own probability and that of the terms above and below it.
    line = (p @ consistent(labels.cl_ids, labels.cl_ids).T.astype(float))[rows, best]
    x, y = fit_knots(line.clip(0, 1), hit[rows, best])
    fitted = replace(believed, knots_x=x, knots_y=y)
    return fitted, tuple(
        Measured.of(fitted, *found) for found in zip(cells, asked, own, right, strict=True)
    )


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
    cosine: NDArray[np.float64]  # (cells, labels)

    @classmethod
    def of(
        cls, network: ScMMGPT, part: HeldOut, label_embeddings: NDArray[np.float32]
    ) -> _Compared:
        return cls(part, _cosine(network, part, label_embeddings))


class _Asked(NamedTuple):
    """A held-out part whose own terms are asked for, as a user would."""

    own: NDArray[np.floating]  # (cells, labels of the model) probabilities
    cosine: NDArray[np.float64]  # (cells, terms)
    fits: NDArray[np.float64]  # (labels of the model, terms)
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
            _cosine(network, part, text_vectors(network, tokenizer, terms)),
            compatible(own_ids, terms, ontology=ontology.load()),
            _evidence(markers, part, terms, by_contrast=True),
            np.array([terms.index(term) for term in part.terms]),
            part.is_real,
        )

    def shared(self, calibration: Calibration) -> NDArray[np.float64]:
        return share_out(self.own, self.fits, calibration.text_probabilities(self.cosine))

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
        tried = Calibration(1.0, (0.0, 1.0), (0.0, 1.0), 0.5, 0, text_temperature=temperature)
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
    every = np.ones(part.values.shape[1], dtype=bool)
    weights = markers.weights(terms, every, ontology=ontology.load(), by_contrast=by_contrast)
    return evidence(sparse.csr_matrix(part.values), weights, part.measured)


class HeldOut(NamedTuple):
    """Cells that were kept out of training."""

    name: str
    values: NDArray[np.float32]  # (cells, genes) token values
    measured: NDArray[np.bool_]  # (cells, genes)
    terms: list[str]
    is_real: bool


def held_out_parts(config: RunConfig, genes: GeneTable) -> list[HeldOut]:
    """Return cells that were kept out of training.

    Half are real cells, half are drawn from profiles, as far as the run holds out both.

    Raises
    ------
    ValueError
        If the run holds out neither cells nor studies.
    """
    rng = np.random.default_rng([config.seed, 4])
    parts = _real_cells(config, genes, rng)
    if config.held_out_studies:
        parts.append(_drawn_cells(config, genes, rng))
    if not parts:
        msg = "Calibration needs `held_out_cells` or `held_out_studies`; the run names neither."
        raise ValueError(msg)
    return parts


def _real_cells(config: RunConfig, genes: GeneTable, rng: np.random.Generator) -> list[HeldOut]:
    found = []
    for cells in [open_cells(path, genes) for path in config.held_out_cells]:
        n = min(N_CELLS // 2 // len(config.held_out_cells), cells.counts.shape[0])
        rows = rng.choice(cells.counts.shape[0], size=n, replace=False)
        values = log_normalise(cells.counts[rows].toarray())
        measured = np.repeat(cells.measured[None], n, axis=0)
        terms = [cells.terms[r] for r in rows]
        found.append(HeldOut(cells.study, values, measured, terms, is_real=True))
    return found


def _drawn_cells(config: RunConfig, genes: GeneTable, rng: np.random.Generator) -> HeldOut:
    profiles = read_profiles(config.profiles, genes, only=config.held_out_studies)
    types = tuple(sorted(set(profiles.terms)))
    drawn = CellSource(profiles, (), types=types, real_share=0.0).draw(N_CELLS // 2, rng)
    terms = [types[t] for t in drawn.term]
    return HeldOut(
        "cells drawn from held-out profiles", drawn.values, drawn.measured, terms, is_real=False
    )


def consistent(truth: Sequence[str], labels: Sequence[str]) -> NDArray[np.bool_]:
    """True at (cell, label) where a label is the true term, above it or below it."""
    return on_one_line(truth, labels, ontology=ontology.load())


@torch.inference_mode()
def text_vectors(
    network: ScMMGPT, tokenizer: Tokenizer, terms: Sequence[str]
) -> NDArray[np.float32]:
    """Return the mean unit vector of each term's wordings, (terms, projection)."""
    cl = ontology.load()
    network.eval()
    device = next(network.parameters()).device
    rows = []
    for term in terms:
        texts = label_wordings(cl.name(term), cl.definition(term))
        ids, mask = pad_texts(tokenizer, texts, limit=network.config.bridge.max_positions)
        mean = network.embed_text(ids.to(device), mask.to(device)).mean(0)
        rows.append((mean / mean.norm()).cpu().numpy())
    return np.stack(rows).astype(np.float32)


@torch.inference_mode()
def _cosine(network: ScMMGPT, cells: HeldOut, labels: NDArray[np.float32]) -> NDArray[np.float64]:
    network.eval()
    device = next(network.parameters()).device
    table = torch.from_numpy(labels).to(device)
    parts = []
    for start in range(0, len(cells.values), 256):
        block = slice(start, start + 256)
        values, measured = (
            torch.from_numpy(part[block]).to(device) for part in (cells.values, cells.measured)
        )
        states = network.cell_encoder.forward_dense(values, measured)
        projected = network.read_states(*states).projected
        parts.append(torch.einsum("cqp,tp->cqt", projected, table).amax(1).cpu().numpy())
    return np.concatenate(parts).astype(np.float64)
