"""The texts of stage 1: which terms are shown in a step, and a memory of all the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from scmmgpt_tl import ontology

from .captions import TOO_GENERAL, caption_terms, relations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .captions import Captioner


class Terms(NamedTuple):
    """The terms that captions are written for, and how they are related."""

    ids: tuple[str, ...]
    is_a: torch.Tensor  # (terms, terms) bool
    may_be: torch.Tensor  # (terms, terms) bool

    @classmethod
    def of(cls, types: Sequence[str]) -> Terms:
        """Return types, in their order, then the terms above them, then the rest of the ontology.

        Terms that no cell is ever called must be there too: texts that never meet a cell they are
        false of end up near cells of every kind.
        """
        known = caption_terms(types)
        ids = (*known, *(term for term in defined_terms() if term not in set(known)))
        is_a, may_be = relations(ids)
        return cls(ids, torch.from_numpy(is_a), torch.from_numpy(may_be))


class Bank(nn.Module):
    """The latest vector of every caption term, so that all of them are negatives in every step.

    Parameters
    ----------
    vectors
        Unit vectors to begin with, (terms, projection).
    """

    vectors: torch.Tensor

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors)

    def with_live(self, shown: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
        """Return the vectors of all terms, those of the shown ones open to gradients."""
        table = self.vectors.clone()
        table[shown] = live
        return table

    def update(self, shown: torch.Tensor, live: torch.Tensor) -> None:
        """Move the shown terms half-way to their new vectors: a mean over recent wordings."""
        mixed = self.vectors[shown] + live.detach()
        self.vectors[shown] = F.normalize(mixed, dim=-1)


def choose_terms(
    present: NDArray[np.int64], is_a: torch.Tensor, *, n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return up to `n` terms to show: three in four types of the batch, the others above them."""
    own = rng.choice(present, size=min(len(present), 3 * n // 4), replace=False)
    above = np.setdiff1d(np.flatnonzero(is_a[present].any(0).numpy()), present)
    extra = rng.choice(above, size=min(len(above), n - len(own)), replace=False)
    return np.concatenate([own, extra])


def write_captions(
    shown: Sequence[int] | NDArray[np.int64],
    terms: Sequence[str],
    captioner: Captioner,
    *,
    tissues: Mapping[str, Sequence[str]],
    rng: np.random.Generator,
) -> list[str]:
    """Return a caption of each shown term, with one of the tissues that it was seen in."""
    texts = []
    for t in shown:
        seen = tissues.get(terms[t], ())
        tissue = str(rng.choice(seen)) if len(seen) else ""
        texts.append(captioner.write(terms[t], rng, tissue=tissue))
    return texts


def defined_terms() -> tuple[str, ...]:
    """Return all terms of the ontology that have a definition and say something."""
    cl = ontology.load()
    return tuple(
        t for t in cl.ids if cl.definition(t) and cl.depth(t) >= 2 and t not in TOO_GENERAL
    )
