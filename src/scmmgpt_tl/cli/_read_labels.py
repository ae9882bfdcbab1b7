"""Read names of labels from a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def read_labels(path: Path) -> list[str] | dict[str, str]:
    """Read labels from a `.json` list or object, or from a text file with one name a line.

    Raises
    ------
    ValueError
        If a `.json` file holds something else, or there is no label in it.
    """
    if not path.is_file():
        msg = f"There is no file {str(path)!r}."
        raise FileNotFoundError(msg)
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() != ".json":
        found: Any = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            msg = f"{str(path)!r} is no valid JSON: {error}."
            raise ValueError(msg) from error
    entries = [*found, *found.values()] if isinstance(found, dict) else found
    if not isinstance(entries, list) or not entries or not all(isinstance(x, str) for x in entries):
        msg = f"{str(path)!r} must hold a list of names, or an object {{name: description}}."
        raise ValueError(msg)
    return found
