"""Expression rates of made-up studies: a profile, and what a study does to it.

A profile is a distribution over genes. What a study adds is drawn: which genes it measured, how
strongly each is captured, how deep it was sequenced, how much ambient RNA leaked in, and whether it
looks like another known study.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from scmmgpt_tl.model.encoders.geneset import TARGET_SUM

from .panels import Panels
from .studies import study_effects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .reference import Profiles

# Noise is read from one large table at a random place: drawing it anew takes longer than all else.
POOL = 1 << 22
MEDIAN_DEPTH, DEPTH_SPREAD, DEPTH_LIMITS = 3000.0, 1.0, (250, 60_000)
GENE_SPREAD = (0.15, 0.7)


class Rates:
    """Rates of droplets that profiles make, as one study or another would see them.

    Parameters
    ----------
    profiles
        Reference profiles.
    moved_share
        Share of droplets that look as if another study had measured them.
    """

    def __init__(self, profiles: Profiles, *, moved_share: float = 0.0) -> None:
        self.profiles, self.moved_share = profiles, moved_share
        self.soup = _soups(profiles)
        self.panels = Panels(profiles)
        self.studies = study_effects(profiles)
        self._noise = np.random.default_rng(0).standard_normal(POOL).astype(np.float32)

    def blend(
        self,
        first: NDArray[np.int64],
        second: NDArray[np.int64],
        share: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Blend two profiles each, let ambient RNA leak in, and disturb every gene.

        Parameters
        ----------
        first, second
            Profiles, (droplets,).
        share
            Of the second one, (droplets,).
        rng
            Draws leak and disturbance.

        Returns
        -------
        Rates, (droplets, genes).
        """
        n = len(first)
        return _rates(
            self.profiles.shares,
            first,
            second,
            share,
            self.soup,
            rng.beta(1.0, 12.0, size=n).astype(np.float32),
            self._noise,
            rng.integers(0, POOL - self.profiles.shares.shape[1], size=n),
            rng.uniform(*GENE_SPREAD, size=n).astype(np.float32),
        )

    def move(
        self, rates: NDArray[np.float32], profile: NDArray[np.int64], rng: np.random.Generator
    ) -> None:
        """Let some droplets, each of a profile, look like those of another study, in place."""
        moved = np.flatnonzero(rng.random(len(rates)) < self.moved_share)
        rates[moved] = self.studies.move(rates[moved], profile[moved], rng)

    def see(
        self, rates: NDArray[np.float32], profile: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Draw a panel for each droplet, given its profile, and make its rates shares there, in place.

        Returns
        -------
        The panels, (droplets, genes).
        """
        sources = self.profiles.panels[self.profiles.panel[profile]]
        panels = (
            self.panels.draw(source, rng, profile=p)
            for source, p in zip(sources, profile, strict=True)
        )
        measured = np.stack(list(panels))
        rates *= measured
        rates /= np.maximum(rates.sum(1, keepdims=True), 1e-12)
        return measured


def sequence(
    rates: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    depth: float = MEDIAN_DEPTH,
    limits: tuple[float, float] = DEPTH_LIMITS,
) -> NDArray[np.float32]:
    """Draw counts at depths around `depth`, (droplets, genes)."""
    depths = np.exp(rng.normal(np.log(depth), DEPTH_SPREAD, size=len(rates)))
    depths = depths.clip(*limits).astype(np.float32)
    return _poisson(rates, depths, int(rng.integers(2**31)))


def log_normalise(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the set encoder's tokenizer makes of counts, as a dense matrix."""
    total = np.maximum(counts.sum(1, keepdims=True), 1)
    values = np.log1p(counts * (TARGET_SUM / total))
    norm = np.sqrt((values * values).sum(1, keepdims=True))
    return (values / np.maximum(norm, 1e-6)).astype(np.float32)


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
