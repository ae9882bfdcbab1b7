"""What the expression decoder remembers: the levels of genes in the types of reference profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from scmmgpt_tl.model.encoders.geneset import TARGET_SUM

from .studies import OFFSET

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scmmgpt_tl.model.expression_decoder import ExpressionDecoder

    from .reference import Profiles
    from .studies import StudyEffects


def remember_types(
    decoder: ExpressionDecoder,
    texts: NDArray[np.float32],
    profiles: Profiles,
    effects: StudyEffects,
) -> None:
    r"""Let the decoder remember the principal axes of what tells types apart.

    With the types' log levels :math:`L = 1 b^\top + U S V^\top` the level of a gene is :math:`b_g`,
    its weights are :math:`S V_g / \sqrt{n}`, and type :math:`k` lies at :math:`\sqrt{n} U_k`: in
    units of the spread over the :math:`n` types.

    Parameters
    ----------
    decoder
        Changed in place.
    texts
        Unit vectors of the texts of the profiles' types, in sorted order, (types, projection).
    profiles
        Reference profiles.
    effects
        What their studies add, which is taken off.
    """
    mean, deviation = type_levels(profiles, effects)
    places, scale, axes = np.linalg.svd(deviation, full_matrices=False)
    n, spread = min(decoder.config.n_axes, len(scale)), np.sqrt(len(deviation))
    with torch.no_grad():
        decoder.level.copy_(torch.from_numpy(mean))
        decoder.types.copy_(torch.from_numpy(texts))
        for table, found in (
            (decoder.weight, axes[:n].T * (scale[:n] / spread)),
            (decoder.place, places[:, :n] * spread),
        ):
            table.zero_()
            table[:, :n] = torch.from_numpy(found)


def type_levels(
    profiles: Profiles, effects: StudyEffects
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Log level of each gene, (genes,), and how types deviate from it, (types, genes).

    Profiles of one type are averaged over those that measured a gene; where none did, the type does
    not deviate.
    """
    logs = np.log(TARGET_SUM * profiles.shares + OFFSET) - effects.effects[effects.study]
    measured = profiles.panels[profiles.panel]
    owner = np.array(profiles.terms)
    terms = np.unique(owner)
    level = np.empty((len(terms), logs.shape[1]), dtype=np.float32)
    seen = np.empty(level.shape, dtype=bool)
    for i, term in enumerate(terms):
        rows = np.flatnonzero(owner == term)
        times = measured[rows].sum(0)
        level[i] = np.where(measured[rows], logs[rows], 0).sum(0) / np.maximum(times, 1)
        seen[i] = times > 0
    times = seen.sum(0)
    mean = np.where(
        times > 0, np.where(seen, level, 0).sum(0) / np.maximum(times, 1), np.log(OFFSET)
    )
    deviation = np.where(seen, level - mean, 0)
    # Shares of a small panel are larger, all alike: that is no matter of the type.
    deviation -= seen * (deviation.sum(1) / np.maximum(seen.sum(1), 1))[:, None]
    return mean.astype(np.float32), deviation.astype(np.float32)
