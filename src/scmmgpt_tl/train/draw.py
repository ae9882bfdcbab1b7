"""Cells drawn from reference profiles: every draw is a new cell of a new, made-up study.

A profile is a distribution over genes. What a study adds is drawn too: which genes it measured,
how strongly each is captured, how deep it was sequenced, how much ambient RNA leaked in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .reference import Cells, Profiles

POOL = 1 << 22


@dataclass(frozen=True)
class Drawn:
    """A batch of training cells."""

    values: NDArray[np.float32]  # (cells, genes) log-normalised, unit rows
    term: NDArray[np.int64]  # (cells,) index into the types
    profile: NDArray[np.int64]  # (cells,) profile drawn from, -1 for a real cell


class CellSource:
    """Endless batches of drawn and real cells, balanced over cell types.

    Parameters
    ----------
    profiles
        Reference profiles.
    cells
        Labelled real cells, one entry a study.
    types
        Cell Ontology ids, the order of `Drawn.term`.
    real_share
        Share of real cells in a batch.
    """

    def __init__(
        self, profiles: Profiles, cells: Sequence[Cells], *, types: Sequence[str], real_share: float
    ) -> None:
        self.profiles = profiles
        self.cells = list(cells)
        self.types = tuple(types)
        self.real_share = real_share
        self._of_type = _members(profiles.terms, self.types)
        known = np.array([len(members) > 0 for members in self._of_type])
        weight = np.sqrt([max(len(members), 1) for members in self._of_type]) * known
        self._weight = 0.5 * known / known.sum() + 0.5 * weight / weight.sum()
        self._real = _real_members(self.cells, self.types)
        self._soup = _soups(profiles)
        self._variable = _variability(profiles)
        self._noise = np.random.default_rng(0).standard_normal(POOL).astype(np.float32)

    def draw(self, n: int, rng: np.random.Generator) -> Drawn:
        """Draw `n` cells."""
        n_real = rng.binomial(n, self.real_share) if self._real else 0
        drawn = self._draw_from_profiles(n - n_real, rng)
        if not n_real:
            return drawn
        real = self._draw_real(n_real, rng)
        return Drawn(
            np.concatenate([drawn.values, real.values]),
            np.concatenate([drawn.term, real.term]),
            np.concatenate([drawn.profile, real.profile]),
        )

    def _draw_from_profiles(self, n: int, rng: np.random.Generator) -> Drawn:
        term = rng.choice(len(self.types), size=n, p=self._weight)
        first = np.array([rng.choice(self._of_type[t]) for t in term])
        second = np.array([rng.choice(self._of_type[t]) for t in term])
        blend = np.where(rng.random(n) < 0.3, rng.random(n), 0.0).astype(np.float32)
        # A blend only makes sense over genes that both profiles measured.
        blend[self.profiles.panel[first] != self.profiles.panel[second]] = 0.0
        depth = np.exp(rng.normal(np.log(3000.0), 1.0, size=n)).clip(250, 60_000)
        rates = _rates(
            self.profiles.shares,
            first,
            second,
            blend,
            self._soup,
            (rng.beta(1.0, 12.0, size=n)).astype(np.float32),
            self._noise,
            rng.integers(0, POOL - self.profiles.shares.shape[1], size=n),
            rng.uniform(0.15, 0.7, size=n).astype(np.float32),
        )
        for i in range(n):
            rates[i] *= self._panel(self.profiles.panels[self.profiles.panel[first[i]]], rng)
        counts = _poisson(rates, depth.astype(np.float32), int(rng.integers(2**31)))
        return Drawn(log_normalise(counts), term, first)

    def _draw_real(self, n: int, rng: np.random.Generator) -> Drawn:
        term = rng.choice(np.array(sorted(self._real)), size=n)
        rows = np.zeros((n, self.profiles.shares.shape[1]), dtype=np.float32)
        for i, t in enumerate(term):
            studies = self._real[t]
            study = int(rng.choice(list(studies)))
            cells = self.cells[study]
            row = cells.counts[int(rng.choice(studies[study]))]
            counts = rng.binomial(row.data.astype(np.int64), rng.uniform(0.4, 1.0))
            rows[i, row.indices] = counts
            rows[i] *= self._panel(cells.measured, rng) if rng.random() < 0.5 else 1.0
        return Drawn(log_normalise(rows), term, np.full(n, -1))

    def _panel(self, measured: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
        """Genes that a made-up study measured, out of those its source measured."""
        kind = rng.random()
        if kind < 0.5:
            return measured
        if kind < 0.7:
            other = self.profiles.panels[rng.integers(len(self.profiles.panels))]
            both = measured & other
            return both if both.sum() > 500 else measured
        size = np.exp(rng.uniform(np.log(500), np.log(10_000)))
        weight = self._variable if kind < 0.9 else np.ones_like(self._variable)
        weight = weight * measured
        keep = rng.random(len(measured)) < weight * (size / weight.sum())
        return keep & measured


def log_normalise(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the set encoder's tokenizer makes of counts, as a dense matrix."""
    total = np.maximum(counts.sum(1, keepdims=True), 1)
    values = np.log1p(counts * (1e4 / total))
    norm = np.sqrt((values * values).sum(1, keepdims=True))
    return (values / np.maximum(norm, 1e-6)).astype(np.float32)


def _members(terms: Sequence[str], types: Sequence[str]) -> list[NDArray[np.int64]]:
    array = np.array(terms, dtype=object)
    return [np.flatnonzero(array == term) for term in types]


def _real_members(
    cells: Sequence[Cells], types: Sequence[str]
) -> dict[int, dict[int, NDArray[np.int64]]]:
    found: dict[int, dict[int, NDArray[np.int64]]] = {}
    for study, part in enumerate(cells):
        for t, members in enumerate(_members(part.terms, types)):
            if len(members):
                found.setdefault(t, {})[study] = members
    return found


def _soups(profiles: Profiles) -> NDArray[np.float32]:
    """Ambient RNA of each profile: the mean of its study and tissue, (profiles, genes)."""
    place = np.array(
        [f"{s}|{t}" for s, t in zip(profiles.studies, profiles.tissues, strict=True)], dtype=object
    )
    soups = np.empty_like(profiles.shares)
    for name in set(place):
        members = place == name
        soups[members] = profiles.shares[members].mean(0)
    return soups


def _variability(profiles: Profiles) -> NDArray[np.float32]:
    """How likely a study that selects variable genes picks each gene, mean 1."""
    spread = np.log1p(1e4 * profiles.shares).std(0)
    return (spread / spread.mean()).clip(0.02, 8.0)


@njit(cache=True, nogil=True)
def _rates(shares, first, second, blend, soup, ambient, noise, start, spread):  # noqa: ANN001, ANN202, PLR0913, PLR0917
    n, g = len(first), shares.shape[1]
    out = np.empty((n, g), dtype=np.float32)
    for i in range(n):
        a, b, w, s, k = first[i], second[i], blend[i], ambient[i], start[i]
        for j in range(g):
            share = (1 - w) * shares[a, j] + w * shares[b, j]
            share = (1 - s) * share + s * soup[a, j]
            out[i, j] = share * np.exp(spread[i] * noise[k + j])
    return out


@njit(cache=True, nogil=True)
def _poisson(rates, depth, seed):  # noqa: ANN001, ANN202
    np.random.seed(seed)  # numba's own generator, not numpy's global one
    n, g = rates.shape
    out = np.zeros((n, g), dtype=np.float32)
    for i in range(n):
        total = rates[i].sum()
        scale = depth[i] / total if total > 0 else 0.0
        for j in range(g):
            rate = rates[i, j] * scale
            if rate > 1e-6:
                out[i, j] = np.random.poisson(rate)
    return out
