"""Cells drawn from reference profiles: every draw is a new cell of a new, made-up study.

A profile is a distribution over genes. What a study adds is drawn too: which genes it measured,
how strongly each is captured, how deep it was sequenced, how much ambient RNA leaked in, and
whether it looks like another known study. Curated
marker genes join in two ways: some cells express a few of their type's markers more strongly than
their profile does, and types that no profile covers are made of markers alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from scmmgpt_tl.model.encoders.geneset import TARGET_SUM

from .corpus.real import RealCells
from .panels import Panels
from .studies import study_effects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .corpus.cells import Cells
    from .markers import MarkerGenes
    from .reference import Profiles

# Noise is read from one large table at a random place: drawing it anew takes longer than all else.
POOL = 1 << 22
MEDIAN_DEPTH, DEPTH_SPREAD, DEPTH_LIMITS = 3000.0, 1.0, (250, 60_000)
BLENDED = 0.3
GENE_SPREAD = (0.15, 0.7)
WIDE = 0.5
# Share of a cell's expression that one strongly expressed marker takes.
MARKER_LEVELS = (3e-4, 7e-3)
STRESSED, STRESSED_MARKERS = 0.3, (1, 8)
ALONE_MARKERS = (5, 25)


@dataclass(frozen=True)
class Drawn:
    """A batch of training cells."""

    values: NDArray[np.float32]  # (cells, genes) log-normalised, unit rows
    measured: NDArray[np.bool_]  # (cells, genes) panel of each cell's made-up study
    term: NDArray[np.int64]  # (cells,) index into the types
    profile: NDArray[np.int64]  # (cells,) profile drawn from, -1 for cells drawn from none


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
    markers
        Marker genes by type, for some or all of the types.
    marker_share
        Share of cells in a batch that are made of markers alone: of types that neither a profile
        nor a real cell shows.
    moved_share
        Share of cells drawn from profiles that look as if another study had measured them.
    pool_cells, pool_steps
        Real cells that are not in memory are drawn from pools of about so many cells, each for so
        many steps.
    """

    def __init__(
        self,
        profiles: Profiles,
        cells: Sequence[Cells],
        *,
        types: Sequence[str],
        real_share: float,
        markers: Mapping[str, MarkerGenes] | None = None,
        marker_share: float = 0.0,
        moved_share: float = 0.0,
        pool_cells: int = 4096,
        pool_steps: int = 100,
    ) -> None:
        self.profiles = profiles
        self.types = tuple(types)
        self.real_share = real_share
        self._of_type = _members(profiles.terms, self.types)
        known = np.array([len(members) > 0 for members in self._of_type])
        weight = np.sqrt([max(len(members), 1) for members in self._of_type]) * known
        self._weight = 0.5 * known / known.sum() + 0.5 * weight / weight.sum()
        self._real = RealCells(cells, types, pool_cells=pool_cells, pool_steps=pool_steps)
        self._soup = _soups(profiles)
        self._panels = Panels(profiles)
        markers = markers or {}
        self._markers = {t: markers[k] for t, k in enumerate(types) if k in markers}
        self._alone = np.array(
            [t for t in self._markers if not known[t] and t not in self._real.types],
            dtype=np.int64,
        )
        self.marker_share = marker_share
        self.moved_share = moved_share
        self.studies = study_effects(profiles)
        self._noise = np.random.default_rng(0).standard_normal(POOL).astype(np.float32)

    def draw(self, n: int, rng: np.random.Generator, *, at: tuple[int, ...] = (0, 0)) -> Drawn:
        """Draw some cells.

        Parameters
        ----------
        n
            How many.
        rng
            All randomness comes from it.
        at
            Decides, with the run's seed and the like before them, by part and step which pool real
            cells are drawn from.
        """
        n_real = rng.binomial(n, self.real_share) if self._real.types else 0
        n_marked = rng.binomial(n - n_real, self.marker_share) if len(self._alone) else 0
        sizes = (n - n_real - n_marked, n_marked)
        ways = (self._draw_from_profiles, self._draw_from_markers)
        parts = [way(size, rng) for way, size in zip(ways, sizes, strict=True) if size]
        if n_real:
            parts.append(self._draw_real(n_real, rng, at))
        return Drawn(
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.measured for part in parts]),
            np.concatenate([part.term for part in parts]),
            np.concatenate([part.profile for part in parts]),
        )

    def _draw_from_profiles(self, n: int, rng: np.random.Generator) -> Drawn:
        term = rng.choice(len(self.types), size=n, p=self._weight)
        first = np.array([rng.choice(self._of_type[t]) for t in term])
        second = np.array([rng.choice(self._of_type[t]) for t in term])
        blend = np.where(rng.random(n) < BLENDED, rng.random(n), 0.0).astype(np.float32)
        # A blend only makes sense over genes that both profiles measured.
        blend[self.profiles.panel[first] != self.profiles.panel[second]] = 0.0
        rates = _rates(
            self.profiles.shares,
            first,
            second,
            blend,
            self._soup,
            rng.beta(1.0, 12.0, size=n).astype(np.float32),
            self._noise,
            rng.integers(0, POOL - self.profiles.shares.shape[1], size=n),
            rng.uniform(*GENE_SPREAD, size=n).astype(np.float32),
        )
        moved = np.flatnonzero(rng.random(n) < self.moved_share)
        rates[moved] = self.studies.move(rates[moved], first[moved], rng)
        measured = self._see_through_panels(rates, first, rng)
        for i in np.flatnonzero(rng.random(n) < STRESSED):
            self._express_markers(rates[i], int(term[i]), measured[i], STRESSED_MARKERS, rng)
        return Drawn(_sequence(rates, rng), measured, term, first)

    def _draw_from_markers(self, n: int, rng: np.random.Generator) -> Drawn:
        """Cells that express what two cells have in common, and markers of one type."""
        term = rng.choice(self._alone, size=n)
        first, second = rng.integers(len(self.profiles.shares), size=(2, n))
        rates = np.minimum(self.profiles.shares[first], self.profiles.shares[second])
        measured = self._see_through_panels(rates, first, rng)
        for i, t in enumerate(term):
            self._express_markers(rates[i], int(t), measured[i], ALONE_MARKERS, rng)
        return Drawn(_sequence(rates, rng), measured, term, np.full(n, -1))

    def _see_through_panels(
        self, rates: NDArray[np.float32], profile: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Draw a panel for each cell, given its profile, and make its rates shares there, in place."""
        sources = self.profiles.panels[self.profiles.panel[profile]]
        panels = (
            self._panels.draw(source, rng, profile=p)
            for source, p in zip(sources, profile, strict=True)
        )
        measured = np.stack(list(panels))
        rates *= measured
        rates /= np.maximum(rates.sum(1, keepdims=True), 1e-12)
        return measured

    def _express_markers(
        self,
        rates: NDArray[np.float32],
        term: int,
        measured: NDArray[np.bool_],
        limits: tuple[int, int],
        rng: np.random.Generator,
    ) -> None:
        """Raise some measured markers of a type, in place, where they are lower."""
        if term not in self._markers:
            return
        genes, weights = self._markers[term]
        size = min(int(rng.integers(*limits)), len(genes))
        chosen = rng.choice(genes, size=size, replace=False, p=weights)
        chosen = chosen[measured[chosen]]
        low, high = np.log(MARKER_LEVELS).tolist()
        levels = np.exp(rng.uniform(low, high, size=len(chosen)))
        rates[chosen] = np.maximum(rates[chosen], levels)

    def _draw_real(self, n: int, rng: np.random.Generator, at: tuple[int, ...]) -> Drawn:
        """Real cells, thinned; every type that there are cells of comes up equally often."""
        cells, rows = self._real.at(at)
        term = rng.choice(np.array(sorted(rows)), size=n)
        counts = np.zeros((n, self.profiles.shares.shape[1]), dtype=np.float32)
        measured = np.empty(counts.shape, dtype=bool)
        for i, t in enumerate(term):
            studies = rows[t]
            study = int(rng.choice(list(studies)))
            row = cells[study].counts[np.array([rng.choice(studies[study])])]
            counts[i, row.indices] = rng.binomial(row.data.astype(np.int64), rng.uniform(0.4, 1.0))
            measured[i] = self._panels.draw(cells[study].measured, rng)
        counts *= measured
        return Drawn(log_normalise(counts), measured, term, np.full(n, -1))


def average_cell(profiles: Profiles) -> NDArray[np.float32]:
    """Mean share of each gene over cell types, (genes,), among wide profiles that measured it."""
    owner = np.array(profiles.terms, dtype=object)
    total, times = np.zeros((2, profiles.shares.shape[1]))
    # Shares of a small panel are larger; only (nearly) whole transcriptomes say what a share is.
    width = profiles.panels[profiles.panel].mean(1)
    wide = width > min(WIDE, 0.9 * width.max())
    for term in sorted(set(owner[wide])):
        members = np.flatnonzero((owner == term) & wide)
        measured = profiles.panels[profiles.panel[members]]
        total += profiles.shares[members].sum(0) / np.maximum(measured.sum(0), 1)
        times += measured.any(0)
    share = total / np.maximum(times, 1)
    return (share / share.sum()).astype(np.float32)


def _sequence(rates: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw counts at a depth drawn for each cell, and return them as token values."""
    depth = np.exp(rng.normal(np.log(MEDIAN_DEPTH), DEPTH_SPREAD, size=len(rates)))
    depth = depth.clip(*DEPTH_LIMITS).astype(np.float32)
    return log_normalise(_poisson(rates, depth, int(rng.integers(2**31))))


def log_normalise(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the set encoder's tokenizer makes of counts, as a dense matrix."""
    total = np.maximum(counts.sum(1, keepdims=True), 1)
    values = np.log1p(counts * (TARGET_SUM / total))
    norm = np.sqrt((values * values).sum(1, keepdims=True))
    return (values / np.maximum(norm, 1e-6)).astype(np.float32)


def _members(terms: Sequence[str], types: Sequence[str]) -> list[NDArray[np.int64]]:
    array = np.array(terms, dtype=object)
    return [np.flatnonzero(array == term) for term in types]


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


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _rates(
    shares: NDArray[np.float32],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    blend: NDArray[np.float32],
    soup: NDArray[np.float32],
    ambient: NDArray[np.float32],
    noise: NDArray[np.float32],
    start: NDArray[np.int64],
    spread: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Blend two profiles, let the soup leak in, and disturb every gene, (cells, genes)."""
    n, g = len(first), shares.shape[1]
    out = np.empty((n, g), dtype=np.float32)
    for i in range(n):
        a, b, w, s, k = first[i], second[i], blend[i], ambient[i], start[i]
        for j in range(g):
            share = (1 - w) * shares[a, j] + w * shares[b, j]
            share = (1 - s) * share + s * soup[a, j]
            out[i, j] = share * np.exp(spread[i] * noise[k + j])
    return out


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _poisson(
    rates: NDArray[np.float32], depth: NDArray[np.float32], seed: int
) -> NDArray[np.float32]:
    """Draw counts whose expected sum is the depth of the cell, (cells, genes)."""
    np.random.seed(seed)  # noqa: NPY002 - numba's own generator, not numpy's global one
    n, g = rates.shape
    out = np.zeros((n, g), dtype=np.float32)
    for i in range(n):
        total = rates[i].sum()
        scale = depth[i] / total if total > 0 else 0.0
        for j in range(g):
            rate = rates[i, j] * scale
            if rate > 1e-6:
                out[i, j] = np.random.poisson(rate)  # noqa: NPY002 - the same
    return out
