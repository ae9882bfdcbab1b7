"""Published folders: which file is there, and what to say of one that is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_MAX_BYTES = 2**26


def first_file(folder: Path, names: Sequence[str]) -> Path:
    """Return the first of several files that is there.

    Raises
    ------
    FileNotFoundError
        If none is.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    msg = f"{folder} has none of {', '.join(names)}."
    raise FileNotFoundError(msg)


def refuse_incomplete(folder: Path, title: str, needed: Mapping[str, Sequence[str]]) -> None:
    """Say at once all that a folder lacks.

    Parameters
    ----------
    folder
        Published folder.
    title
        Of the encoder that it seems to hold.
    needed
        For each part the files of which one must be there.

    Raises
    ------
    FileNotFoundError
        If a part has none of its files.
    """
    lacking = [
        part if names == (part,) else f"{part} ({' or '.join(names)})"
        for part, names in needed.items()
        if not any((folder / name).is_file() for name in names)
    ]
    if lacking:
        there = sorted(path.name for path in folder.iterdir() if path.is_file())
        msg = (
            f"{folder} looks like {title}, but lacks {' and '.join(lacking)}; it holds "
            f"{', '.join(there[:8])}. Copy what is missing from where the folder was published."
        )
        raise FileNotFoundError(msg)


def read_json(path: Path) -> dict[str, Any]:
    """Read an object from a JSON file.

    Raises
    ------
    ValueError
        If it is damaged, too large, or holds anything else.
    """
    if path.stat().st_size > _MAX_BYTES:
        msg = f"{path} is larger than {_MAX_BYTES:,} bytes, which no such file is."
        raise ValueError(msg)
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON ({error}). Get the file again."
        raise ValueError(msg) from error
    if not isinstance(found, dict):
        msg = f"{path} must hold an object, not {type(found).__name__}. Get the file again."
        raise ValueError(msg)
    return found
