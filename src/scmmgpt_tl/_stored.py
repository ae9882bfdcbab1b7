"""Values in the forms that every version of h5ad and zarr holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def column_names(names: Sequence[str]) -> list[str]:
    """Make labels fit to be columns of a stored frame.

    Parameters
    ----------
    names
        Labels.

    Examples
    --------
    >>> column_names(["CD4+/CD8+ T cell", "B cell"])
    ['CD4+|CD8+ T cell', 'B cell']
    """
    taken: set[str] = set()
    columns = []
    for name in names:
        column = plain = name.replace("/", "|")
        number = 1
        while column in taken:
            number += 1
            column = f"{plain} ({number})"
        taken.add(column)
        columns.append(column)
    return columns


def category_order(values: Iterable[str]) -> list[str]:
    """Set categories in order: as people count, and what says that nothing is known last.

    Parameters
    ----------
    values
        Categories, or values that repeat them.

    Examples
    --------
    >>> category_order(["unknown", "T2", "T10", "T2"])
    ['T2', 'T10', 'unknown']
    """
    from natsort import natsorted

    return sorted(natsorted(set(values)), key=lambda name: name in {"", "unknown"})


def flat(params: Mapping[str, Any]) -> dict[str, str | int | float | bool | list[str]]:
    """Turn parameters into what every file format holds; those that are `None` are left out.

    Parameters
    ----------
    params
        Values: str, numbers, bool, paths, sequences (become lists of str) or mappings (become JSON).

    Raises
    ------
    TypeError
        If a value is something else.
    """
    for key in params:
        check_key(key)
    return {key: _plain(key, value) for key, value in params.items() if value is not None}


def _plain(key: str, value: Any) -> str | int | float | bool | list[str]:
    plain: str | int | float | bool | list[str]
    match value:
        case str() | Path():
            plain = str(value)
        case bool() | np.bool_():
            plain = bool(value)
        case int() | np.integer():
            plain = int(value)
        case float() | np.floating():
            plain = float(value)
        case dict():
            plain = json.dumps(value, ensure_ascii=False)
        case list() | tuple() | np.ndarray() | pd.Index() | pd.Series():
            plain = [str(item) for item in value]
        case set() | frozenset():
            plain = sorted(str(item) for item in value)
        case _:
            msg = f"Cannot store parameter {key!r} of type {type(value).__name__}."
            raise TypeError(msg)
    return plain


def check_key(key: object) -> None:
    """Refuse a key that h5ad or zarr would refuse, or take apart.

    Parameters
    ----------
    key
        Name of a column, an array or an entry.
    """
    if not isinstance(key, str) or not key or "/" in key:
        msg = f"A key must be a non-empty string without '/', not {key!r}."
        raise ValueError(msg)


def as_column(key: str, value: Any, obs_names: pd.Index) -> pd.Series:
    """Bring a column of `obs` into shape; cells are told by position, never by name.

    Parameters
    ----------
    key
        Name of the column, for messages.
    value
        Categorical, numbers or str.
    obs_names
        Names of the cells.
    """
    if len(value) != len(obs_names):
        msg = f"`obs[{key!r}]` must have {len(obs_names)} values, not {len(value)}."
        raise ValueError(msg)
    values = _values(f"obs[{key!r}]", value)
    # The dtype is repeated because pandas 3 would make its own string type of objects.
    return pd.Series(values, index=obs_names, name=key, dtype=values.dtype)


def _values(where: str, value: Any) -> Any:
    if isinstance(value, pd.Series | pd.Index):
        value = value.array
    if isinstance(value, pd.Categorical):
        return _categorical(where, value)
    given = np.asarray(value)
    if given.ndim == 1 and given.dtype.kind == "f":
        return given.astype(np.float32)
    if given.ndim == 1 and (given.dtype.kind == "U" or _all_texts(given)):
        texts = ["" if _missing(item) else str(item) for item in given]
        return np.array(texts, dtype=object)
    msg = f"`{where}` must be categorical, float or str in one dimension, not {given.dtype}."
    raise TypeError(msg)


def _categorical(where: str, value: pd.Categorical) -> pd.Categorical:
    categories = list(value.categories)
    if not all(isinstance(category, str) for category in categories):
        msg = f"The categories of `{where}` must be str, not {categories[:3]}."
        raise TypeError(msg)
    # Categories of pandas' own string type cannot be written by every anndata.
    names = pd.Index(np.array([str(name) for name in categories], dtype=object), dtype=object)
    return pd.Categorical.from_codes(value.codes, categories=names, ordered=value.ordered)


def _missing(item: object) -> bool:
    return item is None or item is pd.NA or (isinstance(item, float) and np.isnan(item))


def _all_texts(values: np.ndarray[Any, Any]) -> bool:
    return values.dtype == object and all(isinstance(x, str) or _missing(x) for x in values)


def as_array(key: str, value: Any, obs_names: pd.Index) -> Any:
    """Bring an array or frame of `obsm` into shape.

    Parameters
    ----------
    key
        Name of the array, for messages.
    value
        Cells x anything.
    obs_names
        Names of the cells.
    """
    if np.ndim(value) != 2 or len(value) != len(obs_names):
        shape = np.shape(value)
        msg = f"`obsm[{key!r}]` must have {len(obs_names)} rows and two dimensions, not {shape}."
        raise ValueError(msg)
    # A copy, so that what the tool goes on to do with its array does not change the result.
    numbers = np.array(value, dtype=np.float32, order="C")
    if not isinstance(value, pd.DataFrame):
        return numbers
    if not all(isinstance(column, str) for column in value.columns):
        msg = f"The columns of `obsm[{key!r}]` must be str, not {list(value.columns)[:3]}."
        raise TypeError(msg)
    names = pd.Index(np.array(column_names(list(value.columns)), dtype=object), dtype=object)
    return pd.DataFrame(numbers, index=obs_names, columns=names)


def as_entry(key: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Bring an entry of `uns` into shape.

    Parameters
    ----------
    key
        Name of the entry, for messages.
    value
        Frames, flat mappings, numbers, str or lists of str, by name.
    """
    for name in value:
        check_key(name)
    return {name: _item(f"uns[{key!r}][{name!r}]", item) for name, item in value.items()}


def _item(where: str, item: Any) -> Any:
    match item:
        case pd.DataFrame():
            return _frame(where, item)
        case dict():
            return flat(item)
        case np.ndarray() if item.dtype.kind in "fiub":
            return item.copy()
        case _:
            return _plain(where, item)


def _frame(where: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Bring a table into shape: whole numbers and switches stay, all else as in `obs`."""
    if not frame.columns.is_unique:
        msg = f"The columns of `{where}` must be unique, not {list(frame.columns)}."
        raise ValueError(msg)
    columns = {}
    for name in frame.columns:
        check_key(name)
        column = frame[name]
        keep = not isinstance(column.array, pd.Categorical) and column.dtype.kind in "iub"
        columns[name] = column.array.copy() if keep else _values(f"{where}[{name!r}]", column)
    rows = pd.Index(np.array([str(row) for row in frame.index], dtype=object), dtype=object)
    stored = pd.DataFrame(index=rows)
    for name, values in columns.items():
        stored[name] = pd.Series(values, index=rows, dtype=values.dtype)
    stored.columns = pd.Index(np.array(list(columns), dtype=object), dtype=object)
    return stored
