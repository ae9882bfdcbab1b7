"""How the keys and values of a run get into a YAML file and out of it."""

from __future__ import annotations

import os
from dataclasses import MISSING, asdict, fields, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from .corpus.entry import CensusEntry
from .encoder_entry import EncoderEntry

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# What a folder is searched for.
CELLS = (".h5ad", ".zarr")


def read_values(cls: type[DataclassInstance], path: Path) -> dict[str, Any]:
    """Return the values that a file gives for the fields of a class.

    Raises
    ------
    FileNotFoundError
        If no file matches a pattern.
    ValueError
        If a key is unknown or missing.
    """
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    check_keys(cls, raw, f"`{path}`")
    kinds = {item.name: str(item.type) for item in fields(cls)}
    return {key: _read(value, kinds[key], path) for key, value in raw.items()}


def write_values(config: DataclassInstance, path: Path) -> None:
    """Write what :func:`read_values` reads, with paths relative to `path`."""
    values = {item.name: getattr(config, item.name) for item in fields(config)}
    raw = {key: _plain(value, path.parent) for key, value in values.items()}
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")


def whole(value: Any) -> Any:
    """Return a value with whole paths in it."""
    match value:
        case Path():
            # Folders only: a file that is a link keeps its own name, which names its study.
            return value.parent.resolve() / value.name
        case tuple():
            return tuple(whole(item) for item in value)
        case CensusEntry():
            return replace(value, path=whole(value.path))
        case EncoderEntry():
            return replace(value, folder=whole(value.folder))
        case _:
            return value


def check_keys(cls: type[DataclassInstance], raw: Any, where: str) -> None:
    """Refuse what is no mapping from the fields of a class, or lacks some that it needs."""
    if not isinstance(raw, dict):
        msg = f"{where} must hold keys and values, found {type(raw).__name__}."
        raise ValueError(msg)
    if unknown := set(raw) - {item.name for item in fields(cls)}:
        msg = f"{where} has unknown keys {sorted(unknown)!r}."
        raise ValueError(msg)
    needed = {
        item.name
        for item in fields(cls)
        if item.default is MISSING and item.default_factory is MISSING
    }
    if missing := needed - set(raw):
        msg = f"{where} lacks the keys {sorted(missing)!r}."
        raise ValueError(msg)


def _read(value: Any, kind: str, path: Path) -> Any:
    match kind, value:
        case "Path" | "Path | None", str():
            return path.parent / value
        case "tuple[Path, ...]", list() if all(isinstance(v, str) for v in value):
            return tuple(
                sorted(found for pattern in value for found in _find(path.parent, pattern))
            )
        case "EncoderEntry | None", str():
            return EncoderEntry.parse(value, here=path.parent)
        case ("tuple[str, ...]", list()):
            return tuple(value)
        case "tuple[CensusEntry, ...]", list():
            return tuple(_read_entry(entry, path) for entry in value)
        case _:
            # Whatever else it is, the class knows whether it may be so.
            return value


def _read_entry(raw: Any, path: Path) -> CensusEntry:
    check_keys(CensusEntry, raw, f"`census` of `{path}`")
    kinds = {item.name: str(item.type) for item in fields(CensusEntry)}
    # YAML takes a release such as 2025-11-08 for a date.
    texts = {k: v.isoformat() if isinstance(v, date) else v for k, v in raw.items()}
    return CensusEntry(**{key: _read(value, kinds[key], path) for key, value in texts.items()})


def _find(here: Path, pattern: str) -> list[Path]:
    target = here / pattern
    found = [target] if target.exists() else sorted(target.parent.glob(target.name))
    if not found:
        msg = f"No file matches {pattern!r} (looked in {str(target.parent)!r})."
        raise FileNotFoundError(msg)
    return [path for one in found for path in _inside(one)]


def _inside(found: Path) -> list[Path]:
    """Files of a folder, or the file itself; a zarr store is a folder that counts as a file."""
    if not found.is_dir() or found.suffix in CELLS:
        return [found]
    inside = [path for path in sorted(found.iterdir()) if path.suffix in CELLS]
    if not inside:
        msg = f"The folder {str(found)!r} holds no {' or '.join(CELLS)}."
        raise FileNotFoundError(msg)
    return inside


def _plain(value: object, folder: Path) -> object:
    match value:
        case Path():
            return _relative(value, folder)
        case tuple() | list():
            return [_plain(item, folder) for item in value]
        case dict():
            return {key: _plain(item, folder) for key, item in value.items()}
        case CensusEntry():
            return _plain(asdict(value), folder)
        case EncoderEntry():
            return f"{value.kind}@{_relative(value.folder, folder)}"
        case _:
            return value


def _relative(path: Path, folder: Path) -> str:
    found: Path = whole(path)
    try:
        return Path(os.path.relpath(found, folder.resolve())).as_posix()
    except ValueError:
        return str(found)  # on another drive of Windows
