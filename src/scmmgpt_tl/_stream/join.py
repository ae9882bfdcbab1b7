"""Results of many shards put together on disk, one shard after the other."""

from __future__ import annotations

import errno
import shutil
from io import BytesIO
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData
from anndata.io import read_elem, write_elem

from scmmgpt_tl import _files
from scmmgpt_tl._stored import category_order

from .cells import StoredCells

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from .names import Names

_ORDER = "column-order"
# What anndata says of a plain array.
_ARRAY = {"encoding-type": "array", "encoding-version": "0.2.0"}
# Entry of a shard's `uns` with the columns of those arrays that were frames.
_FRAMES = "frames"


def packed(found: AnnData) -> bytes:
    """Lay results out as a shard: frames as arrays, which are quick to write and to read in part.

    The file is made in memory: on a disk that is full, HDF5 ends the process instead of raising.

    Parameters
    ----------
    found
        AnnData without genes.
    """
    frames = {key: value for key, value in found.obsm.items() if isinstance(value, pd.DataFrame)}
    arrays = {key: value.to_numpy() for key, value in frames.items()}
    columns = {key: list(value) for key, value in frames.items()}
    shard = AnnData(
        obs=found.obs, obsm={**found.obsm, **arrays}, uns={**found.uns, _FRAMES: columns}
    )
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        write_elem(file, "/", shard)
    return buffer.getvalue()


def join(shards: Sequence[Path], target: Path, names: Names, *, room: Path) -> None:
    """Write what the shards hold to the file with the results, beside what that file held before.

    Parameters
    ----------
    shards
        Files of what :func:`packed` made, of consecutive cells; all hold the same keys.
    target
        A `.h5ad` file of results; replaced in one step.
    names
        Of all cells.
    room
        Folder to work in, on the same file system.

    Raises
    ------
    OSError
        If there is too little space on the disk.
    ValueError
        If `target` holds results of other cells.
    """
    if target.exists():
        check_same_cells(target, names)
    _check_space([*shards, *([target] if target.exists() else [])], room)
    found = _Found(shards, names)
    with _files.replacing(target, room=room) as temporary, h5py.File(temporary, "w") as new:
        # An AnnData with nothing but names.
        write_elem(new, "/", AnnData(obs=pd.DataFrame(index=pd.Index([], dtype=object))))
        _grow(new["obs"], "_index", names.blocks())
        if target.exists():
            with h5py.File(target) as old:
                _copy_others(old, new, but=found.keys)
        found.add_obs(new["obs"])
        for key in found.keys["obsm"]:
            found.add_array(new["obsm"], key)
        for key in found.keys["uns"]:
            write_elem(new["uns"], key, _joined(found.parts(f"uns/{key}")))


def check_same_cells(target: Path, names: Names) -> None:
    """Refuse to go on from results of other cells.

    Parameters
    ----------
    target
        A file of results.
    names
        Of the cells that are worked on.

    Raises
    ------
    ValueError
        If they are others, or in another order.
    """
    held = StoredCells(target)
    pairs = zip(held.obs_names.blocks(), names.blocks(), strict=False)
    same = len(held.obs_names) == len(names) and all(np.array_equal(a, b) for a, b in pairs)
    held.close()
    if not same:
        msg = f"{str(target)!r} holds results of other cells. Move it away, and run again."
        raise ValueError(msg)


def open_results(path: Path, *, frame: str | None = None) -> AnnData:
    """Read what tools found, leaving arrays in the file and frames of scores out.

    Parameters
    ----------
    path
        A file that :func:`join` wrote.
    frame
        One that is read nevertheless, if there is one of this name.
    """
    file = h5py.File(path)
    found = file["obsm"]
    obsm = {key: value for key, value in found.items() if isinstance(value, h5py.Dataset)}
    if frame is not None and frame in found and frame not in obsm:
        obsm[frame] = read_elem(found[frame])
    return AnnData(obs=read_elem(file["obs"]), uns=read_elem(file["uns"]), obsm=obsm)


class _Found:
    """What the shards hold."""

    def __init__(self, shards: Sequence[Path], names: Names) -> None:
        self.shards, self.names = shards, names
        with h5py.File(shards[0]) as file:
            self.frames: dict[str, list[str]] = {
                key: list(columns) for key, columns in read_elem(file[f"uns/{_FRAMES}"]).items()
            }
            uns = sorted(set(file["uns"]) - {_FRAMES})
            obs = list(file["obs"].attrs[_ORDER])
            self.keys = {"obs": obs, "obsm": sorted(file["obsm"]), "uns": uns}

    def parts(self, where: str) -> Iterator[Any]:
        """Read an element of each shard."""
        for shard in self.shards:
            with h5py.File(shard) as file:
                yield read_elem(file[where])

    def add_obs(self, obs: h5py.Group) -> None:
        """Write the columns of all cells."""
        for name in self.keys["obs"]:
            write_elem(obs, name, _concatenated(list(self.parts(f"obs/{name}"))))
        _put_in_order(obs, self.keys["obs"])

    def add_array(self, obsm: h5py.Group, key: str) -> None:
        """Write an array, or what was a frame, of all cells."""
        if key not in self.frames:
            _grow(obsm, key, self.parts(f"obsm/{key}"))
            return
        columns, n_obs = self.frames[key], len(self.names)
        write_elem(obsm, key, pd.DataFrame(index=pd.Index([], dtype=object)))
        frame = obsm[key]
        _grow(frame, "_index", self.names.blocks())
        for column in columns:
            frame.create_dataset(column, (n_obs,), np.float32).attrs.update(_ARRAY)
        start = 0
        for part in self.parts(f"obsm/{key}"):
            for column, values in zip(columns, part.T, strict=True):
                frame[column][start : start + len(part)] = values
            start += len(part)
        _put_in_order(frame, columns)


def _put_in_order(frame: h5py.Group, columns: Sequence[str]) -> None:
    before = [name for name in frame.attrs[_ORDER] if name not in columns]
    if before or columns:
        frame.attrs[_ORDER] = [*before, *columns]


def _copy_others(old: h5py.File, new: h5py.File, *, but: Mapping[str, Sequence[str]]) -> None:
    """Take over what earlier tools found, as it is."""
    for slot, keys in but.items():
        # The names of cells are written already.
        for key in set(old[slot]) - {*keys, "_index"}:
            old.copy(f"{slot}/{key}", new[slot])
    _put_in_order(new["obs"], [name for name in old["obs"].attrs[_ORDER] if name not in but["obs"]])


def _concatenated(parts: list[Any]) -> Any:
    if not isinstance(parts[0], pd.Categorical):
        return np.concatenate(parts)
    names = {str(name) for part in parts for name in part.categories}
    order = np.array(category_order(names), dtype=object)
    return pd.api.types.union_categoricals(parts).set_categories(pd.Index(order, dtype=object))


def _grow(group: Any, key: str, parts: Iterator[Any]) -> None:
    """Write an array part by part."""
    first = next(parts)
    growing = {"maxshape": (None, *first.shape[1:]), "chunks": True}
    if key in group:
        del group[key]
    write_elem(group, key, first, dataset_kwargs=growing)
    array = group[key]
    for part in parts:
        start = array.shape[0]
        array.resize((start + len(part), *array.shape[1:]))
        array[start:] = part


def _joined(records: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """One record for all: what was counted is added up, all else is the same in each."""
    whole = next(records)
    for record in records:
        for name, number in record.get("reasons", {}).items():
            whole["reasons"][name] = whole["reasons"].get(name, 0) + number
    if "reasons" in whole:
        whole["reasons"] = {name: int(whole["reasons"][name]) for name in sorted(whole["reasons"])}
    return whole


def _check_space(files: Sequence[Path], room: Path) -> None:
    """Refuse before HDF5 meets a full disk; what is written is as large as what it is made of."""
    needed, free = sum(file.stat().st_size for file in files), shutil.disk_usage(room).free
    if needed > free:
        msg = (
            f"Putting the results together takes {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB "
            f"are free beside {str(room)!r}. Make room, and run again: nothing is lost."
        )
        raise OSError(errno.ENOSPC, msg)
