"""Which genes a made-up study measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl.model.encoders.geneset import TARGET_SUM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .reference import Profiles

SIZES = (500, 10_000)
ALL, OTHERS, VARIABLE = 0.35, 0.5, 0.85
FEWEST_PROFILES = 5
SPREAD = 0.5


class Panels:
    """Draws panels: all genes of the source, those that another study measured too, or some.

    Studies that keep some genes keep those that vary most among their own cells. What varies most
    in a study of one tissue is not what varies most between tissues, so it is looked up among the
    profiles of the same study and tissue, where there are enough of them.

    Parameters
    ----------
    profiles
        Reference profiles.
    """

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._variable, self._row = _variability(profiles)

    def draw(
        self, measured: NDArray[np.bool_], rng: np.random.Generator, *, profile: int = -1
    ) -> NDArray[np.bool_]:
        """Return the genes of a panel, (genes,).

        Parameters
        ----------
        measured
            Genes that the source of a cell measured.
        rng
            Draws the panel.
        profile
            That the cell was drawn from, -1 for a real cell.
        """
        kind = rng.random()
        if kind < ALL:
            return measured
        if kind < OTHERS:
            panels = self._profiles.panels
            both = measured & panels[rng.integers(len(panels))]
            return both if both.sum() > SIZES[0] else measured
        size = int(np.exp(rng.uniform(*np.log(SIZES))))
        if size >= measured.sum():
            return measured
        if kind >= VARIABLE:
            return measured & (rng.random(len(measured)) < size / measured.sum())
        row = self._row[profile] if profile >= 0 else 0
        noise = rng.standard_normal(len(measured), dtype=np.float32)
        score = np.where(measured, self._variable[row] * np.exp(SPREAD * noise), -1)
        kept = np.zeros_like(measured)
        kept[np.argpartition(-score, size)[:size]] = True
        return kept


def _variability(profiles: Profiles) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """How much each gene varies among all profiles, then among those of each study and tissue.

    Returns
    -------
    Standard deviations of log1p(CP10k), (groups, genes), and the group of each profile.
    """
    places = [f"{s}|{t}" for s, t in zip(profiles.studies, profiles.tissues, strict=True)]
    names, group = np.unique(np.array(places), return_inverse=True)
    levels = np.log1p(TARGET_SUM * profiles.shares)
    tables, row = [levels.std(0)], np.zeros(len(places), dtype=np.int64)
    for g in range(len(names)):
        members = np.flatnonzero(group == g)
        if len(members) >= FEWEST_PROFILES:
            row[members] = len(tables)
            tables.append(levels[members].std(0))
    return np.stack(tables).astype(np.float32), row
