"""Dictionaries of texts and numbers that were published as pickles, read without running any code.

A pickle is a program. This reader knows the instructions that build dictionaries, texts and
numbers, and numpy's numbers; whatever else one asks for is refused before it is looked up.
"""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 2**28
_ALLOWED: Final = frozenset(
    {
        ("collections", "OrderedDict"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
    }
)
_NUMBER = re.compile(r"[<>=|]?[fiu][1248]")
_TUPLES = frozenset({"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})
_REMEMBER = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_RECALL = frozenset({"GET", "BINGET", "LONG_BINGET"})
# No dictionary needs them, and without them what is remembered is what was made last.
_REFUSED = frozenset({"DUP", "POP", "POP_MARK"})
_CHANGES = frozenset({"ADDITEMS", "APPEND", "APPENDS", "BUILD", "SETITEM", "SETITEMS"})
_ASIDE = _REMEMBER | {"PROTO", "FRAME"}


class _NumberType:
    """Stands for `numpy.dtype`, but makes types of numbers alone: others may be of any size."""

    __slots__ = ()

    def __call__(self, code: Any, *flags: Any) -> Any:
        import numpy as np

        if not (isinstance(code, str) and _NUMBER.fullmatch(code)):
            msg = f"it asks for numbers of the type {code!r}"
            raise pickle.UnpicklingError(msg)
        return np.dtype(code, *flags)


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "dtype"):
            return _NumberType()
        if (module, name) not in _ALLOWED:
            msg = f"it asks for {module}.{name}"
            raise pickle.UnpicklingError(msg)
        return super().find_class(module, name)


def read_dictionary(path: Path) -> dict[str, Any]:
    """Read a dictionary from texts to texts or numbers, from JSON or a pickle.

    Parameters
    ----------
    path
        A `.json` file, or any other as a pickle.

    Raises
    ------
    ValueError
        If the file is damaged, too large, or holds anything else.
    """
    if path.stat().st_size > _MAX_BYTES:
        msg = f"{path} is larger than {_MAX_BYTES:,} bytes, which no dictionary of genes is."
        raise ValueError(msg)
    found = _read_json(path) if path.suffix == ".json" else _read_pickle(path)
    plain = isinstance(found, dict) and all(
        isinstance(key, str) and _is_plain(value) for key, value in found.items()
    )
    if not plain:
        msg = f"{path} must hold a dictionary from names to texts or numbers."
        raise ValueError(msg)
    return dict(found)


def _is_plain(value: Any) -> bool:
    import numpy as np

    return isinstance(value, (str, int, float, np.integer, np.floating))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON ({error}). Get the file again."
        raise ValueError(msg) from error


def _read_pickle(path: Path) -> Any:
    program = path.read_bytes()
    try:
        _check_program(program)
        return _PlainUnpickler(io.BytesIO(program)).load()
    except Exception as error:
        # A damaged pickle can raise anything.
        msg = (
            f"{path} is refused: {error}. Only pickles of texts and numbers are read; convert "
            "the dictionary to JSON if you trust it."
        )
        raise ValueError(msg) from error


def _check_program(program: bytes) -> None:
    """Refuse the few bytes that take all memory, or never come to an end.

    What is remembered under a huge number takes a table as long. A tuple of two tuples that are
    each of two tuples, and so on, is as quick to write as it is slow to hash.
    """
    last = ""
    remembered: set[int] = set()
    tuples: set[int] = set()
    for instruction, argument, _ in pickletools.genops(program):
        name = instruction.name
        if name in _REMEMBER:
            place = len(remembered) if argument is None else int(argument)
            if place > len(program) or last in _CHANGES:
                msg = f"it remembers something under the number {place:,} as nobody writes it"
                raise pickle.UnpicklingError(msg)
            remembered.add(place)
            if last in _TUPLES:
                tuples.add(place)
        elif name in _REFUSED or (name in _RECALL and argument in tuples):
            msg = f"it does {name} where dictionaries of texts and numbers do not"
            raise pickle.UnpicklingError(msg)
        if name not in _ASIDE:
            last = name
