"""Shards become the file with the results, one process at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanpy import logging as logg

from .join import join
from .run_folder import held

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .names import Names


def put_together(shards: Sequence[Path], target: Path, names: Names, *, room: Path) -> None:
    """Join shards, and keep others from writing to the same file meanwhile.

    Parameters
    ----------
    shards, target, names, room
        As for :func:`join`.

    Raises
    ------
    InUseError
        If another process writes to `target`.
    """
    with held(target.with_name(f".{target.name}.lock"), repr(str(target))):
        join(shards, target, names, room=room)
    logg.info(f"    wrote {target}")
