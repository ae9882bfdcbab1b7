"""Fit temperature and score on studies that were kept out of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.special import softmax

from scmmgpt_tl import ontology
from scmmgpt_tl.model.calibration import Calibration, fit_knots, fit_temperature

from .draw import CellSource, log_normalise
from .reference import read_cells, read_profiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable
    from scmmgpt_tl.model.labels import LabelTable
    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .config import RunConfig

N_CELLS = 4000
THRESHOLD = 0.5
MIN_GENES = 20
PRIORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


def calibrate(
    network: ScMMGPT,
    label_embeddings: NDArray[np.float32],
    labels: LabelTable,
    genes: GeneTable,
    config: RunConfig,
) -> Calibration:
    """Fit the calibration of a bundle.

    A label counts as right where it is the true term, one above it, or one below it: the truth of
    a study may be coarser than what its cells are.

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
    config
        The run, which names the studies held out.
    """
    cells = held_out_cells(config, genes)
    cosine = _cosine(network, cells, label_embeddings)
    right = consistent(cells.terms, labels.cl_ids)
    known = right.any(1)
    cosine, right = cosine[known], right[known]
    bias = np.log(labels.n_profiles)
    fits = [(fit_temperature(cosine, right, bias=prior * bias), prior) for prior in PRIORS]
    (_, temperature), prior = min(fits)
    p = softmax(cosine / temperature + prior * bias, axis=1)
    best = p.argmax(1)
    # What speaks for a label is its own probability and that of the terms above and below it.
    line = (p @ consistent(labels.cl_ids, labels.cl_ids).T.astype(float))[np.arange(len(p)), best]
    x, y = fit_knots(line.clip(0, 1), right[np.arange(len(p)), best])
    return Calibration(
        temperature=temperature,
        knots_x=x,
        knots_y=y,
        threshold=THRESHOLD,
        min_genes=MIN_GENES,
        prior=prior,
        fitted_on=(*(path.stem for path in config.held_out_cells), *config.held_out_studies),
    )


class HeldOut(NamedTuple):
    """Cells that were kept out of training."""

    values: NDArray[np.float32]  # (cells, genes) token values
    measured: NDArray[np.bool_]  # (cells, genes)
    terms: list[str]


def held_out_cells(config: RunConfig, genes: GeneTable) -> HeldOut:
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
    return HeldOut(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.measured for part in parts]),
        [term for part in parts for term in part.terms],
    )


def _real_cells(config: RunConfig, genes: GeneTable, rng: np.random.Generator) -> list[HeldOut]:
    found = []
    for cells in [read_cells(path, genes) for path in config.held_out_cells]:
        n = min(N_CELLS // 2 // len(config.held_out_cells), cells.counts.shape[0])
        rows = rng.choice(cells.counts.shape[0], size=n, replace=False)
        values = log_normalise(cells.counts[rows].toarray())
        measured = np.repeat(cells.measured[None], n, axis=0)
        found.append(HeldOut(values, measured, [cells.terms[r] for r in rows]))
    return found


def _drawn_cells(config: RunConfig, genes: GeneTable, rng: np.random.Generator) -> HeldOut:
    profiles = read_profiles(config.profiles, genes, only=config.held_out_studies)
    types = tuple(sorted(set(profiles.terms)))
    drawn = CellSource(profiles, (), types=types, real_share=0.0).draw(N_CELLS // 2, rng)
    return HeldOut(drawn.values, drawn.measured, [types[t] for t in drawn.term])


def consistent(truth: Sequence[str], labels: Sequence[str]) -> NDArray[np.bool_]:
    """True at (cell, label) where a label is the true term, above it or below it."""
    cl = ontology.load()
    lines = {term: cl.line(term) for term in set(truth)}
    rows = {term: [label in line for label in labels] for term, line in lines.items()}
    return np.array([rows[term] for term in truth])


@torch.inference_mode()
def _cosine(network: ScMMGPT, cells: HeldOut, labels: NDArray[np.float32]) -> NDArray[np.float64]:
    network.eval()
    device = next(network.parameters()).device
    table = torch.from_numpy(labels).to(device)
    parts = []
    for start in range(0, len(cells.values), 256):
        block = slice(start, start + 256)
        values, measured = (torch.from_numpy(part[block]).to(device) for part in cells[:2])
        states = network.cell_encoder.forward_dense(values, measured)
        projected = network.read_states(*states).projected
        parts.append(torch.einsum("cqp,tp->cqt", projected, table).amax(1).cpu().numpy())
    return np.concatenate(parts).astype(np.float64)
