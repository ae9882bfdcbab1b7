"""Weights of a published encoder within a run: where they begin, and whether they are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from scmmgpt_tl.model.adopted_encoder import AdoptedEncoder
from scmmgpt_tl.model.state import load_strict

if TYPE_CHECKING:
    from pathlib import Path

    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .adopt import Adopted

HASH = "published_sha256"


def learned_parts(network: ScMMGPT) -> tuple[str, ...]:
    """Return what stage 1 trains, and keeps: of a published encoder that stays as it is, nothing.

    The vectors of its genes are kept all the same: they come from the seed, and are the run's own.
    """
    encoder = network.cell_encoder
    if isinstance(encoder, AdoptedEncoder) and not encoder.config.tuned:
        return ("cell_encoder.genes", "bridge")
    return ("cell_encoder", "bridge")


@torch.no_grad()
def start_published(network: ScMMGPT, adopted: Adopted) -> None:
    """Copy the weights as they were published into the network of a run."""
    encoder = network.cell_encoder
    if isinstance(encoder, AdoptedEncoder):
        load_strict(encoder.published, adopted.network.state_dict(), source=adopted.config.title)


def published_hash(network: ScMMGPT) -> dict[str, torch.Tensor]:
    """Return what says which published weights a network began with, to be kept with its own."""
    encoder = network.cell_encoder
    if not isinstance(encoder, AdoptedEncoder):
        return {}
    return {HASH: torch.frombuffer(bytearray.fromhex(encoder.config.sha256), dtype=torch.uint8)}


def check_published_hash(state: dict[str, torch.Tensor], network: ScMMGPT, *, source: Path) -> None:
    """Take the hash out of kept weights, and compare it.

    Raises
    ------
    ValueError
        If the folder of the encoder holds other weights than those that were trained with.
    """
    found, wanted = state.pop(HASH, None), published_hash(network).get(HASH)
    if found is None or wanted is None or torch.equal(found, wanted):
        return
    msg = (
        f"{str(source)!r} was trained with other weights of the published encoder than those in the "
        f"folder that `encoder` names ({bytes(found.tolist()).hex()[:12]} there, "
        f"{bytes(wanted.tolist()).hex()[:12]} here). Put back the former."
    )
    raise ValueError(msg)
