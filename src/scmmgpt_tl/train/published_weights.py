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

HASH = "encoder.sha256"
"""File of a run that says which weights it began with: paths stay when what they hold is replaced."""


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


def keep_hash(folder: Path, adopted: Adopted | None) -> None:
    """Write down in the folder of a run which published weights it begins with."""
    if adopted is not None:
        # A run that is stopped here must not find half a line when it goes on.
        part = folder / f"{HASH}.part"
        part.write_text(f"{adopted.config.sha256}\n", encoding="utf-8")
        part.replace(folder / HASH)


def check_hash(folder: Path, adopted: Adopted | None) -> None:
    """Compare published weights with those that a run began with, if it has begun.

    Raises
    ------
    ValueError
        If they are others.
    """
    path = folder / HASH
    if adopted is None or not path.is_file():
        return
    found, wanted = adopted.config.sha256, path.read_text(encoding="utf-8").strip()
    if found != wanted:
        msg = (
            f"The run in {str(folder)!r} began with other weights of {adopted.config.title} than are "
            f"in the folder that `encoder` names now ({wanted[:12]} then, {found[:12]} now). Put "
            "back the former, or give this run a folder of its own."
        )
        raise ValueError(msg)
