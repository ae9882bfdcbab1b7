"""The only writer of results: checks everything, then writes everything, or nothing."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
from scanpy import logging as logg

from ._matrix import modality
from ._stored import as_array, as_column, as_entry, check_key, column_names, flat
from ._warnings import warn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from anndata import AnnData
    from mudata import MuData

__all__ = ["Results", "column_names", "flat", "target"]

_SLOTS = ("obs", "obsm", "uns")


def target(
    data: AnnData | MuData, *, copy: bool = False, mod: str | None = None
) -> tuple[AnnData | MuData, AnnData]:
    """Give the object that a tool returns for `copy=True`, and the AnnData to read and write.

    Parameters
    ----------
    data
        What the user passed.
    copy
        Whether to work on a copy.
    mod
        Modality of a MuData.

    Raises
    ------
    ValueError
        If a backed object is to be copied, or results could not be written to it.
    """
    adata = modality(data, mod)
    if adata.isbacked and copy:
        msg = "`copy=True` would load a backed object whole. Leave it out, or pass `adata.to_memory()`."
        raise ValueError(msg)
    if adata.isbacked and adata.is_view:
        msg = "Results cannot be written to a view of a backed object. Pass `adata.to_memory()`."
        raise ValueError(msg)
    data = data.copy() if copy else data
    return data, modality(data, mod)


@dataclass
class Results:
    """Results of a tool, to be written at once.

    Parameters
    ----------
    obs
        Columns: categorical with str categories, float32 numbers, or str (missing becomes `""`).
    obsm
        Cells x anything: float32 arrays, or DataFrames with str columns, `"/"` becoming `"|"`.
    uns
        One entry per key: a flat `params` dict and further tables, dicts or numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from scmmgpt_tl.datasets import immune_mini
    >>> adata = immune_mini()
    >>> Results(obs={"score": np.zeros(adata.n_obs)}).write(adata)
    >>> adata.obs["score"].dtype
    dtype('float32')
    """

    obs: Mapping[str, Any] = field(default_factory=dict)
    obsm: Mapping[str, Any] = field(default_factory=dict)
    uns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def write(self, adata: AnnData, *, start: datetime | None = None) -> None:
        """Write every slot, or none if one of them is not fit to be stored.

        An overwritten category column takes its `<key>_colors` with it where the categories changed.

        Parameters
        ----------
        adata
            Object to write to; a view becomes an actual object, with a warning.
        start
            When the tool began, to log that it has finished.

        Raises
        ------
        TypeError
            If a value is of a kind that h5ad or zarr cannot hold.
        ValueError
            If a key or a shape does not fit.
        """
        for key in (*self.obs, *self.obsm, *self.uns):
            check_key(key)
        columns = {key: as_column(key, value, adata.obs_names) for key, value in self.obs.items()}
        arrays = {key: as_array(key, value, adata.obs_names) for key, value in self.obsm.items()}
        entries = {key: as_entry(key, value) for key, value in self.uns.items()}
        if adata.is_view:
            warn("Received a view of an AnnData: making it an actual copy to hold the results.")
            adata._init_as_actual(adata.copy())
        stale = [f"{key}_colors" for key in columns if _recoloured(adata, key, columns[key])]
        with _undone_on_error(adata, {"obs": columns, "obsm": arrays, "uns": [*entries, *stale]}):
            for slot, values in zip(_SLOTS, (columns, arrays, entries), strict=True):
                for key, value in values.items():
                    getattr(adata, slot)[key] = value
            for key in stale:
                del adata.uns[key]
        if start is not None:
            logg.info("    finished", time=start, deep=f"added\n{self}")

    def __str__(self) -> str:
        slots = zip(_SLOTS, (self.obs, self.obsm, self.uns), strict=True)
        return "\n".join(f"    {key!r} (adata.{slot})" for slot, keys in slots for key in keys)


def _recoloured(adata: AnnData, key: str, column: pd.Series) -> bool:
    """Whether the colours of a column were made for other categories."""
    if key not in adata.obs or f"{key}_colors" not in adata.uns:
        return False
    before, after = adata.obs[key].array, column.array
    if not (isinstance(before, pd.Categorical) and isinstance(after, pd.Categorical)):
        return True
    return list(before.categories) != list(after.categories)


@contextmanager
def _undone_on_error(adata: AnnData, keys: Mapping[str, Any]) -> Iterator[None]:
    """Put back what the slots held if writing fails."""
    before = {
        slot: {key: getattr(adata, slot)[key] for key in keys[slot] if key in getattr(adata, slot)}
        for slot in _SLOTS
    }
    try:
        yield
    except BaseException:
        for slot in _SLOTS:
            holder = getattr(adata, slot)
            for key in keys[slot]:
                if key in before[slot]:
                    holder[key] = before[slot][key]
                elif key in holder:
                    del holder[key]
        raise
