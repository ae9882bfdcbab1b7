"""Fit temperature and score on studies that were kept out of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from scmmgpt_tl import ontology
from scmmgpt_tl.model.calibration import Calibration, fit_knots

from .draw import CellSource, log_normalise
from .reference import read_cells, read_profiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable
    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .config import RunConfig

N_CELLS = 4000
THRESHOLD = 0.5
MIN_GENES = 20


def calibrate(
    network: ScMMGPT,
    label_embeddings: NDArray[np.float32],
    label_ids: Sequence[str],
    genes: GeneTable,
    config: RunConfig,
) -> Calibration:
    """Fit the calibration of a bundle.

    A label counts as right where it is the true term, one above it, or one below it: the truth of
    a study may be coarser than what its cells are.

    Parameters
    ----------
    label_embeddings
        Unit vectors of the model's labels, (labels, projection).
    label_ids
        Their Cell Ontology ids.
    genes
        Gene table of the model.
    config
        The run, which names the studies held out.
    """
    values, truth = held_out_cells(config, genes)
    cosine = _cosine(network, values, label_embeddings)
    right = consistent(truth, label_ids)
    known = right.any(1)
    cosine, right = cosine[known], right[known]
    temperature = _temperature(cosine, right)
    p = _softmax(cosine / temperature)
    best = p.argmax(1)
    x, y = fit_knots(p.max(1), right[np.arange(len(p)), best])
    return Calibration(
        temperature=temperature,
        knots_x=x,
        knots_y=y,
        threshold=THRESHOLD,
        min_genes=MIN_GENES,
        fitted_on=(*(path.stem for path in config.held_out_cells), *config.held_out_studies),
    )


def held_out_cells(
    config: RunConfig, genes: GeneTable
) -> tuple[NDArray[np.float32], list[str]]:
    """Half real cells of the studies held out, half cells drawn from profiles held out."""
    rng = np.random.default_rng([config.seed, 4])
    values, truth = [], []
    files = [read_cells(path, genes) for path in config.held_out_cells]
    for part in files:
        n = min(N_CELLS // 2 // len(files), part.counts.shape[0])
        rows = rng.choice(part.counts.shape[0], size=n, replace=False)
        values.append(log_normalise(part.counts[rows].toarray()))
        truth += [part.terms[r] for r in rows]
    profiles = read_profiles(config.profiles, genes, only=config.held_out_studies)
    types = tuple(sorted(set(profiles.terms)))
    source = CellSource(profiles, (), types=types, real_share=0.0)
    drawn = source.draw(N_CELLS // 2, rng)
    return np.concatenate([*values, drawn.values]), truth + [types[t] for t in drawn.term]


def consistent(truth: Sequence[str], labels: Sequence[str]) -> NDArray[np.bool_]:
    """True at (cell, label) where a label is the true term, above it or below it."""
    cl = ontology.load()
    rows = {
        term: np.array(
            [label == term or label in cl.ancestors(term) or term in cl.ancestors(label) for label in labels]
        )
        for term in set(truth)
    }
    return np.stack([rows[term] for term in truth])


@torch.inference_mode()
def _cosine(
    network: ScMMGPT, values: NDArray[np.float32], labels: NDArray[np.float32]
) -> NDArray[np.float64]:
    network.eval()
    device = next(network.parameters()).device
    table = torch.from_numpy(labels).to(device)
    parts = []
    for start in range(0, len(values), 256):
        block = torch.from_numpy(values[start : start + 256]).to(device)
        projected = network.read_states(*network.cell_encoder.forward_dense(block)).projected
        parts.append(torch.einsum("cqp,tp->cqt", projected, table).amax(1).cpu().numpy())
    return np.concatenate(parts).astype(np.float64)


def _temperature(cosine: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Temperature under which the right labels together are most likely."""

    def loss(log_temperature: float) -> float:
        p = _softmax(cosine / np.exp(log_temperature))
        return float(-np.log((p * right).sum(1).clip(1e-12)).mean())

    found = minimize_scalar(loss, bounds=(np.log(5e-3), np.log(1.0)), method="bounded")
    return float(np.exp(found.x))


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)
