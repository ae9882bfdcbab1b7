"""What a study does to the genes it measures, as far as reference profiles tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl.model.encoders.geneset import TARGET_SUM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .reference import Profiles

FEWEST_SHARED, SHRINKAGE, OFFSET = 6, 4.0, 0.1
STRENGTH, FARTHEST = (0.3, 1.0), 2.5


@dataclass(frozen=True)
class StudyEffects:
    """How much more of each gene a study sees than others do.

    Parameters
    ----------
    effects
        Log-ratios, (studies, genes), 0 where nothing is known.
    study
        Row of each profile, (profiles,).
    known
        Studies that share enough types with others to be known by.
    """

    effects: NDArray[np.float32]
    study: NDArray[np.int64]
    known: NDArray[np.int64]

    def move(
        self, rates: NDArray[np.float32], profile: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return rates as if another study had measured them.

        Parameters
        ----------
        rates
            Of cells, (cells, genes).
        profile
            Profile that each was drawn from, (cells,).
        rng
            Chooses the other study, and how much of the difference there is to it.
        """
        if not len(self.known):
            return rates
        other = rng.choice(self.known, size=len(rates))
        strength = rng.uniform(*STRENGTH, size=(len(rates), 1)).astype(np.float32)
        by = strength * (self.effects[other] - self.effects[self.study[profile]])
        moved: NDArray[np.float32] = rates * np.exp(by.clip(-FARTHEST, FARTHEST))
        return moved


def study_effects(profiles: Profiles) -> StudyEffects:
    """Estimate the effects of studies from the types that they share with others.

    In each type, a study is compared with the mean of the other studies that measured a gene; the
    mean of the log-ratios over types is shrunk towards 0, the more the fewer types there are.
    """
    names, study = np.unique(np.array(profiles.studies), return_inverse=True)
    terms = np.array(profiles.terms)
    logs = np.log(TARGET_SUM * profiles.shares + OFFSET)
    measured = profiles.panels[profiles.panel]
    total, times = np.zeros((2, len(names), logs.shape[1]), dtype=np.float32)
    for term in np.unique(terms):
        rows = np.flatnonzero(terms == term)
        here = np.unique(study[rows])
        level = np.stack([logs[rows[study[rows] == s]].mean(0) for s in here])
        seen = np.stack([measured[rows[study[rows] == s]].all(0) for s in here])
        level = np.where(seen, level, 0)
        others = seen.sum(0) - seen
        both = seen & (others > 0)
        rest = (level.sum(0) - level) / np.maximum(others, 1)
        total[here] += np.where(both, level - rest, 0)
        times[here] += both
    known = np.flatnonzero(times.max(1) >= FEWEST_SHARED)
    return StudyEffects(total / (times + SHRINKAGE), study.astype(np.int64), known)
