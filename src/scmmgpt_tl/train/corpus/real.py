"""Real cells to draw from: all of those in memory, and of the others a pool that changes.

A pool is made of blocks of neighbouring cells, for that is what disks are quick at. Blocks are
chosen by a type that they hold, so rare types come up as often as common ones. Which blocks a pool
is made of follows from the seed, the part and the window of steps that it is for, so every step can
be made again, and each process reads those of its own parts only.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .cells import Cells

BLOCK = 64
READERS = 4
# Keeps what a pool holds apart from what is drawn of it.
POOL = 7


class Available(NamedTuple):
    """Cells in memory, and where each type is."""

    cells: Sequence[Cells]
    rows: dict[int, dict[int, NDArray[np.int64]]]  # of each type, by study


class RealCells:
    """Labelled real cells of all studies.

    Parameters
    ----------
    cells
        One entry a study.
    types
        Cell Ontology ids.
    pool_cells
        Cells in a pool, about.
    pool_steps
        Steps that a pool is drawn from.
    """

    def __init__(
        self, cells: Sequence[Cells], types: Sequence[str], *, pool_cells: int, pool_steps: int
    ) -> None:
        self._place = {term: t for t, term in enumerate(types)}
        self._held = [part for part in cells if part.in_memory]
        self._streamed = [part for part in cells if not part.in_memory]
        self._always = self._available(self._held)
        self._blocks = self._blocks_of_types()
        self._n_blocks, self._steps = max(pool_cells // BLOCK, 1), pool_steps
        self._readers = ThreadPoolExecutor(READERS, "pool")
        self._reading: dict[tuple[int, ...], list[Future[Cells]]] = {}
        self._ready: dict[tuple[int, ...], Available] = {}
        # Of which there are real cells.
        self.types = frozenset(self._always.rows.keys() | self._blocks.keys())

    def at(self, place: tuple[int, ...]) -> Available:
        """Return what the cells of a step are drawn from.

        Parameters
        ----------
        place
            Any numbers of the run and the phase; then the part, and the step.
        """
        if not self._streamed:
            return self._always
        *part, step = place
        window = step // self._steps
        now, following = (*part, window), (*part, window + 1)
        for key in (now, following):
            if key not in self._reading:
                self._reading[key] = self._read(key)
        if now not in self._ready:
            pool = [reading.result() for reading in self._reading[now]]
            self._forget_all_but(now, following)
            self._ready[now] = self._available([*self._held, *pool])
        return self._ready[now]

    def _forget_all_but(self, *keys: tuple[int, ...]) -> None:
        """Drop what was read for the same part in earlier steps, or in another phase."""
        part = keys[0][-2]
        for kept in (self._reading, self._ready):
            for key in [key for key in kept if key[-2] == part and key not in keys]:
                del kept[key]

    def _read(self, key: tuple[int, ...]) -> list[Future[Cells]]:
        rng = np.random.default_rng([*key, POOL])
        types = sorted(self._blocks)
        chosen: dict[int, set[int]] = {}
        for t in rng.choice(types, size=self._n_blocks):
            studies = self._blocks[int(t)]
            study = int(rng.choice(list(studies)))
            chosen.setdefault(study, set()).add(int(rng.choice(studies[study])))
        return [
            self._readers.submit(_take, self._streamed[study], sorted(chosen[study]))
            for study in sorted(chosen)
        ]

    def _available(self, cells: Sequence[Cells]) -> Available:
        rows: dict[int, dict[int, NDArray[np.int64]]] = {}
        for study, part in enumerate(cells):
            for t, members in self._members(part).items():
                rows.setdefault(t, {})[study] = members
        return Available(cells, rows)

    def _members(self, part: Cells) -> dict[int, NDArray[np.int64]]:
        """Rows of each type that a study has, ascending."""
        codes = np.asarray(part.terms.codes)
        order = np.argsort(codes, kind="stable")
        there, starts = np.unique(codes[order], return_index=True)
        types = [self._place[part.terms.categories[code]] for code in there]
        return dict(zip(types, np.split(order, starts[1:]), strict=True))

    def _blocks_of_types(self) -> dict[int, dict[int, NDArray[np.int64]]]:
        """Blocks that hold a type, by study."""
        blocks: dict[int, dict[int, NDArray[np.int64]]] = {}
        for study, part in enumerate(self._streamed):
            for t, members in self._members(part).items():
                blocks.setdefault(t, {})[study] = np.unique(members // BLOCK)
        return blocks


def _take(cells: Cells, blocks: Sequence[int]) -> Cells:
    """Read some blocks of a study into memory."""
    rows = (np.array(blocks)[:, None] * BLOCK + np.arange(BLOCK)).ravel()
    rows = rows[rows < len(cells.terms)]
    return replace(
        cells,
        counts=cells.counts[rows],
        terms=cells.terms[rows],
        tissues=cells.tissues[rows],
        donors=cells.donors[rows],
    )
