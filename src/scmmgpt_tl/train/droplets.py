"""Which droplets are one cell: the droplet head learns it from cells, doublets and ambient RNA.

The encoder stays as it is. Doublets are two profiles of one study whose types have nothing to do
with each other, or two such real cells; an empty droplet holds the mean of a study's profiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from scmmgpt_tl import ontology
from scmmgpt_tl.model.droplet_head import richness
from scmmgpt_tl.model.droplets import CELL, DOUBLET, EMPTY, EXPECTED
from scmmgpt_tl.model.padding import masked_mean
from scmmgpt_tl.ontology._roll_up import on_one_line

from .batches import own_parts
from .entering import enter, states_of
from .learner import Learner
from .optimize import cosine
from .rates import MEDIAN_DEPTH, sequence

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .config import RunConfig
    from .draw import CellSource
    from .entering import Entering
    from .material import Material

RATE = 1e-3
# Of each kind in a batch.
SHARES = (0.5, 0.3, 0.2)
# Of the doublets, where there are real cells to add up.
REAL_DOUBLETS = 0.25
FIRST_CELL = (0.3, 0.7)
KEPT_MOLECULES = (0.4, 1.0)
# Two cells hold less than twice the molecules of one, which is what was captured of both.
DOUBLET_DEPTH = 1.7 * MEDIAN_DEPTH
EMPTY_DEPTH, EMPTY_LIMITS = 0.1 * MEDIAN_DEPTH, (30.0, 6000.0)
# What the numbers of a run and a step are joined by; those below are the other phases'.
DROPLETS = 13


class Drawn(NamedTuple):
    """Droplets of one process, as they were drawn."""

    counts: NDArray[np.float32]  # (droplets, genes) zero where not measured
    measured: NDArray[np.bool_]  # (droplets, genes)
    kind: NDArray[np.int64]  # (droplets,) index into `KINDS`


class Droplets(NamedTuple):
    """Droplets that have entered the encoder."""

    cells: Entering
    richness: torch.Tensor  # (droplets, 2)
    kind: torch.Tensor  # (droplets,) index into `KINDS`


class DropletSource:
    """Draws droplets of every kind.

    Parameters
    ----------
    cells
        Draws cells, and knows what they are drawn from.
    """

    def __init__(self, cells: CellSource) -> None:
        self._cells, self._rates = cells, cells.rates
        profiles, types = cells.rates.profiles, cells.types
        self._apart = ~on_one_line(types, types, ontology=ontology.load())
        place = {term: t for t, term in enumerate(types)}
        self._type = np.array([place[term] for term in profiles.terms])
        _, study = np.unique(np.array(profiles.studies), return_inverse=True)
        # Of one study and panel are those that can meet in one droplet.
        meet = study * (profiles.panel.max() + 1) + profiles.panel
        self._partners = [
            np.flatnonzero((meet == meet[p]) & self._apart[t, self._type])
            for p, t in enumerate(self._type)
        ]
        self._firsts = np.flatnonzero([len(partners) > 0 for partners in self._partners])

    def __deepcopy__(self, memo: object) -> DropletSource:
        """Return the same: nothing changes it, and it is large."""
        return self

    def draw(self, n: int, rng: np.random.Generator, *, at: tuple[int, ...] = (0, 0)) -> Drawn:
        """Draw some droplets.

        Parameters
        ----------
        n
            How many.
        rng
            All randomness comes from it.
        at
            As in :meth:`CellSource.draw`.
        """
        n_doublets, n_empty = (round(n * SHARES[kind]) for kind in (DOUBLET, EMPTY))
        single = self._cells.draw(n - n_doublets - n_empty, rng, at=at)
        counts, measured = [single.counts], [single.measured]
        real = self._real_doublets(round(n_doublets * REAL_DOUBLETS), rng, at)
        drawn = self._doublets(n_doublets - len(real[0]), rng)
        empty = self._empty(n_empty, rng)
        for part in (real, drawn, empty):
            counts.append(part[0])
            measured.append(part[1])
        sizes = [len(single.counts), len(real[0]) + len(drawn[0]), len(empty[0])]
        kind = np.repeat([CELL, DOUBLET, EMPTY], sizes)
        return Drawn(np.concatenate(counts), np.concatenate(measured), kind)

    def _doublets(
        self, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        if not len(self._firsts):
            return self._none()
        first = rng.choice(self._firsts, size=n)
        second = np.array([rng.choice(self._partners[p]) for p in first], dtype=np.int64)
        share = rng.uniform(*FIRST_CELL, size=n).astype(np.float32)
        rates = self._rates.blend(first, second, share, rng)
        self._rates.move(rates, first, rng)
        measured = self._rates.see(rates, first, rng)
        return sequence(rates, rng, depth=DOUBLET_DEPTH), measured

    def _empty(
        self, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        profile = rng.integers(len(self._type), size=n)
        rates = self._rates.soup[profile]
        self._rates.move(rates, profile, rng)
        measured = self._rates.see(rates, profile, rng)
        return sequence(rates, rng, depth=EMPTY_DEPTH, limits=EMPTY_LIMITS), measured

    def _real_doublets(
        self, n: int, rng: np.random.Generator, at: tuple[int, ...]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Add up two real cells of one study each, and thin the sum."""
        if not self._cells.real.types:
            return self._none()
        cells, rows = self._cells.real.at(at)
        places = [(t, study) for t, studies in rows.items() for study in studies]
        sums, measured = [], []
        for t, study in rng.permutation(places)[rng.integers(len(places), size=n)]:
            others = [u for u, other in places if other == study and self._apart[t, u]]
            if not others:
                continue
            pair = [rng.choice(rows[int(k)][int(study)]) for k in (t, rng.choice(others))]
            counts = cells[study].counts[np.sort(pair)].toarray().sum(0).astype(np.int64)
            panel = self._rates.panels.draw(cells[study].measured, rng)
            thinned = rng.binomial(counts, rng.uniform(*KEPT_MOLECULES)) * panel
            sums.append(thinned.astype(np.float32))
            measured.append(panel)
        return (np.stack(sums), np.stack(measured)) if sums else self._none()

    def _none(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        shape = (0, self._rates.profiles.shares.shape[1])
        return np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)


class DropletStage(Learner):
    """The droplet head learns; what it reads stays as stage 1 left it.

    Parameters
    ----------
    network
        Its droplet head is trained in place.
    material
        What there is to learn from.
    config
        The run.
    """

    parts = ("droplet_head",)

    def __init__(self, network: ScMMGPT, material: Material, config: RunConfig) -> None:
        super().__init__(network)
        self._source, self._config = DropletSource(material.source), config

    def draw(self, step: int) -> Droplets:
        """Draw this process's droplets of a step."""
        config = self._config
        run = (config.seed, DROPLETS)
        drawn = [
            self._source.draw(
                config.stage1_cells // config.parts,
                np.random.default_rng([*run, step, part]),
                at=(*run, part, step),
            )
            for part in own_parts(config.parts)
        ]
        counts, measured, kind = map(np.concatenate, zip(*drawn, strict=True))
        found = richness(*map(torch.from_numpy, ((counts > 0).sum(1), measured.sum(1))))
        cells = enter(self.network.cell_encoder, counts, measured)
        return Droplets(cells, found, torch.from_numpy(kind))

    def forward(self, batch: Droplets, step: int) -> dict[str, torch.Tensor]:
        r"""Return the loss and the share that was right.

        Cross-entropy of logits that are shifted by :math:`\log(s_k / e_k)`, with the share
        :math:`s_k` of a kind in the batch and :math:`e_k` in what is expected: unshifted, they then
        give the chances among the latter (logit adjustment, Menon et al. 2021).
        """
        network = self.network
        with torch.no_grad():
            states, mask = states_of(network.cell_encoder, batch.cells)
            mean = masked_mean(states, mask).float()
        logits = network.droplet_head(mean, batch.richness).float()
        shift = (torch.tensor(SHARES) / torch.tensor(EXPECTED)).log().to(logits.device)
        loss = F.cross_entropy(logits + shift, batch.kind)
        right = ((logits + shift).argmax(1) == batch.kind).float().mean()
        return {"loss": loss, "right": right}

    def groups(self) -> list[dict[str, Any]]:
        """Return what is trained, and how fast."""
        return [{"params": list(self.network.droplet_head.parameters()), "lr": RATE}]

    def schedule(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        """Return how the rate rises and falls."""
        return cosine(optimizer, steps)
