"""Cells that were kept out of training, and what a network says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from scmmgpt_tl.model.droplet_head import richness
from scmmgpt_tl.model.droplets import CELL

from .corpus.files import open_cells
from .draw import CellSource
from .entering import enter, states_of
from .rates import log_normalise
from .reference import read_profiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scmmgpt_tl.model.genes import GeneTable
    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .config import RunConfig

N_CELLS = 4000
BATCH = 256


class HeldOut(NamedTuple):
    """Cells that were kept out of training."""

    name: str
    counts: NDArray[np.float32]  # (cells, genes) zero where not measured
    measured: NDArray[np.bool_]  # (cells, genes)
    terms: list[str]
    is_real: bool

    @property
    def values(self) -> NDArray[np.float32]:
        """Log-normalised counts of unit norm, (cells, genes)."""
        return log_normalise(self.counts)


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
        counts = cells.counts[rows].toarray()
        measured = np.repeat(cells.measured[None], n, axis=0)
        terms = [cells.terms[r] for r in rows]
        found.append(HeldOut(cells.study, counts, measured, terms, is_real=True))
    return found


def _drawn_cells(config: RunConfig, genes: GeneTable, rng: np.random.Generator) -> HeldOut:
    profiles = read_profiles(config.profiles, genes, only=config.held_out_studies)
    types = tuple(sorted(set(profiles.terms)))
    drawn = CellSource(profiles, (), types=types, real_share=0.0).draw(N_CELLS // 2, rng)
    terms = [types[t] for t in drawn.term]
    return HeldOut(
        "cells drawn from held-out profiles", drawn.counts, drawn.measured, terms, is_real=False
    )


class Encoded(NamedTuple):
    """What a network makes of cells: encoded once, compared as often as need be."""

    projected: torch.Tensor  # (cells, queries, projection) unit vectors
    single: NDArray[np.float32]  # (cells,) chance of being one cell

    def cosines(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the similarity of cells and unit vectors, (cells, vectors)."""
        table = torch.from_numpy(vectors).to(self.projected.device)
        parts = [
            torch.einsum("cqp,tp->cqt", block, table).amax(1).cpu().numpy()
            for block in self.projected.split(BATCH)
        ]
        return np.concatenate(parts).astype(np.float64)


@torch.inference_mode()
def encode(network: ScMMGPT, cells: HeldOut) -> Encoded:
    """Encode cells."""
    network.eval()
    device = next(network.parameters()).device
    projected, single = [], []
    for start in range(0, len(cells.counts), BATCH):
        block = slice(start, start + BATCH)
        counts, measured = cells.counts[block], cells.measured[block]
        entering = enter(network.cell_encoder, counts, measured).to(device)
        states = network.read_states(*states_of(network.cell_encoder, entering))
        found = richness(*map(torch.from_numpy, ((counts > 0).sum(1), measured.sum(1))))
        chances = network.droplet_head(states.mean, found.to(device)).softmax(-1)
        projected.append(states.projected)
        single.append(chances[:, CELL].cpu().numpy())
    return Encoded(torch.cat(projected), np.concatenate(single))
