"""Cells of a file, of which only the genes are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import pandas as pd
import zarr
from anndata import AnnData
from anndata.io import read_elem, sparse_dataset

from scmmgpt_tl._files import file_format
from scmmgpt_tl._matrix import DEFAULT_MODALITY, in_rows

from .names import Names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from scmmgpt_tl._input import Prepared


class Raw(NamedTuple):
    """What stands for `.raw`."""

    X: Any


class StoredCells:
    """Cells of a file, open to be read in parts.

    It has what checks look at in an AnnData, under the same names: `X`, `layers`, `raw`, `var` and
    `uns["log1p"]`. No matrix is loaded, and no name of a cell before it is asked for.

    Parameters
    ----------
    path
        A `.h5ad` or `.h5mu` file, or a `.zarr` folder.
    mod
        Modality of a `.h5mu` file; `"rna"` where none is named.

    Raises
    ------
    FileNotFoundError
        If nothing lies at `path`.
    TypeError
        If `mod` is given for a file of an AnnData.
    ValueError
        If the file is damaged, or has no such modality.
    """

    isbacked = is_view = False

    def __init__(self, path: Path, *, mod: str | None = None) -> None:
        self.path = path
        self.checked: dict[tuple[str | None, ...], Prepared] = {}
        kind = file_format(path)
        if not path.exists():
            msg = f"There is no file {str(path)!r}."
            raise FileNotFoundError(msg)
        try:
            self._file = zarr.open_group(path, mode="r") if kind == "zarr" else h5py.File(path)
            self._root: Any = self._file
            if kind == "h5mu":
                self._root = self._modality(DEFAULT_MODALITY if mod is None else mod)
            elif mod is not None:
                msg = f"`mod={mod!r}` picks a modality of a .h5mu file, which {path.name!r} is not."
                raise TypeError(msg)
            obs = self._root["obs"]
            self.obs_names = Names(obs[obs.attrs["_index"]])
            self.var: pd.DataFrame = read_elem(self._root["var"])
            self.layers = _Matrices(self._root.get("layers", {}))
        except (OSError, KeyError, AttributeError, IndexError) as error:
            msg = f"Cannot read {str(path)!r} as {kind}: {error}"
            raise ValueError(msg) from error

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.obs_names)

    @property
    def var_names(self) -> pd.Index:
        """Names of the genes."""
        return self.var.index

    @property
    def columns(self) -> list[str]:
        """Columns of `.obs`."""
        return [str(name) for name in self._root["obs"].attrs["column-order"]]

    @cached_property
    def X(self) -> Any:  # noqa: N802 - as in AnnData
        """Values of the genes in the cells, on disk."""
        return _matrix(self._root["X"]) if "X" in self._root else None

    @cached_property
    def uns(self) -> dict[str, Any]:
        """What :func:`scanpy.pp.log1p` noted, if it did."""
        has = "uns" in self._root and "log1p" in self._root["uns"]
        return {"log1p": read_elem(self._root["uns"]["log1p"])} if has else {}

    @cached_property
    def raw(self) -> Raw | None:
        """Values set aside."""
        has = (
            "raw" in self._root and hasattr(self._root["raw"], "keys") and "X" in self._root["raw"]
        )
        return Raw(_matrix(self._root["raw"]["X"])) if has else None

    def beside(self, names: Sequence[str]) -> AnnData:
        """Load what lies beside the genes of all cells, as far as it is named.

        Parameters
        ----------
        names
            What to load: columns, frames and entries that are called so, or so with an ending, such
            as the scores of an annotation. Plain arrays stay in the file until they are looked at.
        """

        def is_named(key: str) -> bool:
            return any(key == name or key.startswith(f"{name}_") for name in names)

        index = pd.Index(self.obs_names[:], dtype=object)
        frame = pd.DataFrame(index=index)
        for key in filter(is_named, self.columns):
            frame[key] = pd.Series(read_elem(self._root["obs"][key]), index=index)
        obsm, uns = self._root.get("obsm", {}), self._root.get("uns", {})
        plain = {key: obsm[key] for key in obsm if isinstance(obsm[key], h5py.Dataset | zarr.Array)}
        loaded = {key: read_elem(obsm[key]) for key in filter(is_named, set(obsm) - set(plain))}
        entries = {key: read_elem(uns[key]) for key in filter(is_named, uns)}
        return AnnData(obs=frame, obsm=plain | loaded, uns=entries)

    @property
    def modalities(self) -> list[str]:
        """Names of the modalities of a `.h5mu` file; another has none."""
        return list(self._file["mod"]) if self._file is not self._root else []

    def close(self) -> None:
        """Let go of the file."""
        if isinstance(self._file, h5py.File):
            self._file.close()

    def _modality(self, mod: str) -> Any:
        have = list(self._file["mod"])
        if mod not in have:
            msg = f"There is no modality {mod!r}. Pass `mod=` as one of {have}."
            raise ValueError(msg)
        return self._file["mod"][mod]


class _Matrices(Mapping[str, Any]):
    """Layers by name, opened when asked for."""

    def __init__(self, stored: Any) -> None:
        self._stored = stored
        self._opened: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._opened:
            self._opened[name] = _matrix(self._stored[name])
        return self._opened[name]

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


def _matrix(element: Any) -> Any:
    if isinstance(element, h5py.Dataset | zarr.Array):
        return element
    # A matrix stored by columns is read whole, once.
    return in_rows(sparse_dataset(element))
