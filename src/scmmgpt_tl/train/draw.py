"""Cells drawn from reference profiles: every draw is a new cell of a new, made-up study.

Curated marker genes join in two ways: some cells express a few of their type's markers more strongly
than their profile does, and types that no profile covers are made of markers alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .corpus.real import RealCells
from .rates import Rates, log_normalise, sequence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .corpus.cells import Cells
    from .markers import MarkerGenes
    from .reference import Profiles

BLENDED = 0.3
WIDE = 0.5
# Share of a cell's expression that one strongly expressed marker takes.
MARKER_LEVELS = (3e-4, 7e-3)
STRESSED, STRESSED_MARKERS = 0.3, (1, 8)
ALONE_MARKERS = (5, 25)


@dataclass(frozen=True)
class Drawn:
    """A batch of training cells."""

    counts: NDArray[np.float32]  # (cells, genes) zero where not measured
    measured: NDArray[np.bool_]  # (cells, genes) panel of each cell's made-up study
    term: NDArray[np.int64]  # (cells,) index into the types
    profile: NDArray[np.int64]  # (cells,) profile drawn from; -1 for none, or another species

    @property
    def values(self) -> NDArray[np.float32]:
        """Token values of our own encoder, (cells, genes): log-normalised, unit rows."""
        return log_normalise(self.counts)

    @classmethod
    def joined(cls, parts: Sequence[Drawn]) -> Drawn:
        """Return the cells of several draws, one behind the other."""
        columns = ("counts", "measured", "term", "profile")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


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
    orthologs
        Reference profiles of another species, over the orthologs of its genes.
    ortholog_share
        Share of cells drawn from these among all that are drawn from profiles.
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
        orthologs: Profiles | None = None,
        ortholog_share: float = 0.0,
        pool_cells: int = 4096,
        pool_steps: int = 100,
    ) -> None:
        self.profiles = profiles
        self.types = tuple(types)
        self.real_share = real_share
        self.rates = Rates(profiles, moved_share=moved_share)
        self._native = _Distributions(profiles, self.rates, self.types)
        self._foreign = (
            _Distributions(orthologs, Rates(orthologs, moved_share=moved_share), self.types)
            if orthologs is not None
            else None
        )
        self.ortholog_share = ortholog_share
        self.real = RealCells(cells, types, pool_cells=pool_cells, pool_steps=pool_steps)
        markers = markers or {}
        self._markers = {t: markers[k] for t, k in enumerate(types) if k in markers}
        shown = {*profiles.terms, *(orthologs.terms if orthologs is not None else ())}
        self._alone = np.array(
            [t for t in self._markers if self.types[t] not in shown and t not in self.real.types],
            dtype=np.int64,
        )
        self.marker_share = marker_share

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
        n_real = rng.binomial(n, self.real_share) if self.real.types else 0
        n_marked = rng.binomial(n - n_real, self.marker_share) if len(self._alone) else 0
        n_drawn = n - n_real - n_marked
        n_foreign = rng.binomial(n_drawn, self.ortholog_share) if self._foreign else 0
        parts = []
        if n_drawn - n_foreign:
            parts.append(self._draw_from_profiles(n_drawn - n_foreign, rng, self._native))
        if self._foreign and n_foreign:
            drawn = self._draw_from_profiles(n_foreign, rng, self._foreign)
            # Tissues and levels are told of profiles of the model's own species.
            parts.append(replace(drawn, profile=np.full(n_foreign, -1)))
        if n_marked:
            parts.append(self._draw_from_markers(n_marked, rng))
        if n_real:
            parts.append(self._draw_real(n_real, rng, at))
        return Drawn.joined(parts)

    def _draw_from_profiles(
        self, n: int, rng: np.random.Generator, source: _Distributions
    ) -> Drawn:
        term, first, second = source.choose(n, rng)
        blend = np.where(rng.random(n) < BLENDED, rng.random(n), 0.0).astype(np.float32)
        # A blend only makes sense over genes that both profiles measured.
        panel = source.profiles.panel
        blend[panel[first] != panel[second]] = 0.0
        rates = source.rates.blend(first, second, blend, rng)
        source.rates.move(rates, first, rng)
        measured = source.rates.see(rates, first, rng)
        for i in np.flatnonzero(rng.random(n) < STRESSED):
            self._express_markers(rates[i], int(term[i]), measured[i], STRESSED_MARKERS, rng)
        return Drawn(sequence(rates, rng), measured, term, first)

    def _draw_from_markers(self, n: int, rng: np.random.Generator) -> Drawn:
        """Cells that express what two cells have in common, and markers of one type."""
        term = rng.choice(self._alone, size=n)
        first, second = rng.integers(len(self.profiles.shares), size=(2, n))
        rates = np.minimum(self.profiles.shares[first], self.profiles.shares[second])
        measured = self.rates.see(rates, first, rng)
        for i, t in enumerate(term):
            self._express_markers(rates[i], int(t), measured[i], ALONE_MARKERS, rng)
        return Drawn(sequence(rates, rng), measured, term, np.full(n, -1))

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
        cells, rows = self.real.at(at)
        term = rng.choice(np.array(sorted(rows)), size=n)
        counts = np.zeros((n, self.profiles.shares.shape[1]), dtype=np.float32)
        measured = np.empty(counts.shape, dtype=bool)
        for i, t in enumerate(term):
            studies = rows[t]
            study = int(rng.choice(list(studies)))
            row = cells[study].counts[np.array([rng.choice(studies[study])])]
            counts[i, row.indices] = rng.binomial(row.data.astype(np.int64), rng.uniform(0.4, 1.0))
            measured[i] = self.rates.panels.draw(cells[study].measured, rng)
        counts *= measured
        return Drawn(counts, measured, term, np.full(n, -1))


class _Distributions:
    """Profiles of one species, from which types come up with more even shares than profiles have."""

    def __init__(self, profiles: Profiles, rates: Rates, types: Sequence[str]) -> None:
        self.profiles, self.rates = profiles, rates
        self._of_type = _members(profiles.terms, types)
        known = np.array([len(members) > 0 for members in self._of_type])
        weight = np.sqrt([max(len(members), 1) for members in self._of_type]) * known
        self._weight = 0.5 * known / known.sum() + 0.5 * weight / weight.sum()

    def choose(
        self, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return a type and two profiles of it for each cell."""
        term = rng.choice(len(self._of_type), size=n, p=self._weight)
        first = np.array([rng.choice(self._of_type[t]) for t in term])
        return term, first, np.array([rng.choice(self._of_type[t]) for t in term])


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


def _members(terms: Sequence[str], types: Sequence[str]) -> list[NDArray[np.int64]]:
    array = np.array(terms, dtype=object)
    return [np.flatnonzero(array == term) for term in types]
