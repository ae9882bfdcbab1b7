"""Dictionaries of texts and numbers that were published as pickles, read without running any code.

A pickle is a program. This reader knows the instructions that build dictionaries, texts and
numbers, and numpy's numbers; whatever else one asks for is refused before it is looked up.
"""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 2**28
_ALLOWED: Final = frozenset(
    {
        ("collections", "OrderedDict"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
    }
)


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
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
    with path.open("rb") as file:
        try:
            return _PlainUnpickler(file).load()
        except Exception as error:
            # A damaged pickle can raise anything.
            msg = (
                f"{path} is refused: {error}. Only pickles of texts and numbers are read; convert "
                "the dictionary to JSON if you trust it."
            )
            raise ValueError(msg) from error
