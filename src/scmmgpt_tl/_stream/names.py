"""Names of the cells of a file, read when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import zarr
from anndata.io import read_elem

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES_AT_ONCE = 65_536


class Names(Sequence[str]):
    """Names of cells, read from the file when asked for.

    Parameters
    ----------
    element
        Column of a stored frame.
    """

    def __init__(self, element: Any) -> None:
        if isinstance(element, h5py.Group | zarr.Group):  # a nullable array has a mask beside it
            element = _compact(read_elem(element))
        elif isinstance(element, zarr.Array) and element.chunks == element.shape:
            # In one piece, as is usual: every look at some of them would unpack them all again.
            element = _compact(element[:])
        text = isinstance(element, h5py.Dataset) and element.dtype.kind == "O"
        self._element = element.asstr() if text else element
        self._length = int(element.shape[0])

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, rows: Any) -> Any:
        found = self._element[rows]
        if np.ndim(found) == 0:
            return _text(found)
        return np.array([_text(name) for name in found], dtype=object)

    def blocks(self) -> Iterator[Any]:
        """Read all of them, some at a time; at least one block, be it empty."""
        for start in range(0, max(len(self), 1), NAMES_AT_ONCE):
            yield self[start : start + NAMES_AT_ONCE]


def _compact(names: Any) -> Any:
    """Hold names as bytes, which take a quarter of the space of as many objects."""
    parts = [
        np.array([str(name).encode() for name in names[start : start + NAMES_AT_ONCE]], np.bytes_)
        for start in range(0, max(len(names), 1), NAMES_AT_ONCE)
    ]
    return np.concatenate(parts)


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
