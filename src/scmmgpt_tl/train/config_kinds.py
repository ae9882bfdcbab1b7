"""Of which kind the values of a run's config may be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .corpus.entry import CensusEntry
from .encoder_entry import EncoderEntry

if TYPE_CHECKING:
    from collections.abc import Callable


def _tuple_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(isinstance(v, kind) for v in value)


def _is_sizes(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(part, dict) for part in value.values())


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


# By annotation: what is accepted, and how to say so.
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "Path | None": (lambda value: value is None or isinstance(value, Path), "a path, or nothing"),
    "Path": (lambda value: isinstance(value, Path), "a path"),
    "EncoderEntry | None": (
        lambda value: value is None or isinstance(value, EncoderEntry),
        "the kind and the folder of an encoder, such as geneformer@path/to/folder",
    ),
    "tuple[Path, ...]": (_tuple_of(Path), "a list of paths"),
    "tuple[str, ...]": (_tuple_of(str), "a list of names"),
    "tuple[CensusEntry, ...]": (
        _tuple_of(CensusEntry),
        "a list of stores, such as [{version: 2025-11-08}]",
    ),
    "dict[str, dict[str, Any]]": (_is_sizes, "sizes by part, such as {bridge: {dropout: 0}}"),
    "str": (lambda value: isinstance(value, str), "a text"),
    "int": (_is_count, "a whole number, 0 or more"),
    "float": (_is_share, "a number from 0 to 1"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
}
