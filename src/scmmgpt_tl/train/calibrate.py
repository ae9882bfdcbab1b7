"""Fit temperature and score on studies that were kept out of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.special import softmax

from scmmgpt_tl import ontology
from scmmgpt_tl.model.calibration import Calibration, fit_knots, fit_temperature
from scmmgpt_tl.model.padding import pad_texts
from scmmgpt_tl.model.prompts import label_wordings
from scmmgpt_tl.ontology._roll_up import on_one_line
from scmmgpt_tl.ontology._share_out import compatible, share_out

from .draw import CellSource, log_normalise
from .reference import read_cells, read_profiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from scmmgpt_tl.model.genes import GeneTable
    from scmmgpt_tl.model.labels import LabelTable
    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .config import RunConfig

N_CELLS = 4000
THRESHOLD = 0.5
MIN_GENES = 20
PRIORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
TEXT_TEMPERATURES = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)


def calibrate(
    network: ScMMGPT,
    label_embeddings: NDArray[np.float32],
    labels: LabelTable,
    genes: GeneTable,
    text_tokenizer: Tokenizer,
    config: RunConfig,
) -> Calibration:
    """Fit the calibration of a bundle.

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
    """
    parts = held_out_parts(config, genes)
    cosines = [_cosine(network, part, label_embeddings) for part in parts]
    cosine = np.concatenate(cosines)
    right = consistent([term for part in parts for term in part.terms], labels.cl_ids)
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
    own = [softmax(found / temperature, axis=1) for found in cosines]
    return Calibration(
        temperature=temperature,
        knots_x=x,
        knots_y=y,
        threshold=THRESHOLD,
        min_genes=MIN_GENES,
        prior=prior,
        text_temperature=_text_temperature(network, text_tokenizer, parts, own, labels.cl_ids),
        fitted_on=(*(path.stem for path in config.held_out_cells), *config.held_out_studies),
    )


class HeldOut(NamedTuple):
    """Cells that were kept out of training."""

    values: NDArray[np.float32]  # (cells, genes) token values
    measured: NDArray[np.bool_]  # (cells, genes)
    terms: list[str]


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
    return on_one_line(truth, labels, ontology=ontology.load())


def _text_temperature(
    network: ScMMGPT,
    tokenizer: Tokenizer,
    parts: Sequence[HeldOut],
    own: Sequence[NDArray[np.float64]],
    own_ids: Sequence[str],
) -> float:
    """Temperature of texts under which the terms of each part are told apart best."""
    ready = []
    for part, p in zip(parts, own, strict=True):
        asked = sorted(set(part.terms))
        cosine = _cosine(network, part, text_vectors(network, tokenizer, asked))
        fits = compatible(own_ids, asked, ontology=ontology.load())
        truth = np.array([asked.index(term) for term in part.terms])
        ready.append((p, cosine, fits, truth))

    def loss(temperature: float) -> float:
        logs = []
        for p, cosine, fits, truth in ready:
            shared = share_out(p, fits, softmax(cosine / temperature, axis=1))
            logs.append(np.log(shared[np.arange(len(truth)), truth].clip(1e-6)).mean())
        return -float(np.mean(logs))

    return min(TEXT_TEMPERATURES, key=loss)


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
        values, measured = (torch.from_numpy(part[block]).to(device) for part in cells[:2])
        states = network.cell_encoder.forward_dense(values, measured)
        projected = network.read_states(*states).projected
        parts.append(torch.einsum("cqp,tp->cqt", projected, table).amax(1).cpu().numpy())
    return np.concatenate(parts).astype(np.float64)
