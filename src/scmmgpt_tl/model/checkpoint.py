"""Published checkpoints: tensors and nothing else, under the names that our networks use."""

from __future__ import annotations

import re
import zlib
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from zipfile import ZIP_STORED, BadZipFile, ZipFile, is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Rules = Sequence[tuple[str, str]]

UNFORESEEN: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
)
"""What strange content of a file of the right kind raises, where no check foresaw it."""
DAMAGED_ZIP: Final = (
    BadZipFile,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    ValueError,
    zlib.error,
)
"""What `zipfile` raises of an archive that was cut, changed or encrypted."""

# Where training scripts put the weights beside an optimiser's state.
_NESTED = ("state_dict", "model_state_dict")
_WRAPPERS = ("module.", "_forward_module.")
_PART = re.compile(r"(.+)\.(query|key|value)\.(weight|bias)")


def read_state(path: Path, *, beginning: tuple[str, ...] = ()) -> dict[str, torch.Tensor]:
    """Read the tensors of a `.safetensors` file, or of one that `torch.save` wrote.

    Nothing in the file is run: of a pickle torch reads tensors, numbers and texts, and refuses
    the rest.

    Parameters
    ----------
    path
        The file.
    beginning
        How the names of the tensors begin that are wanted, of a file that holds far more; the rest
        is not read from the disk. By default all are.

    Returns
    -------
    Tensors by name, on the CPU, floating ones in float32.

    Raises
    ------
    ValueError
        If the file is damaged, or holds anything else.
    """
    if path.suffix == ".safetensors":
        found = _read_safetensors(path)
    else:
        # Lightning keeps a script's arguments in a `Namespace`, which holds values and does nothing.
        found = read_plain(path, beside=[Namespace] if beginning else ())
    return state_of(found, source=str(path), beginning=beginning)


def read_plain(path: Path, *, beside: Sequence[type] = ()) -> Any:
    """Read what `torch.save` wrote, if it is tensors, numbers and texts in lists and dictionaries.

    Nothing in the file is run. Tensors stay on disk until they are used, where the file allows.

    Parameters
    ----------
    path
        The file.
    beside
        What else may be in it: classes that hold values and do nothing.

    Raises
    ------
    ValueError
        If the file is damaged, compressed, or holds anything else.
    """
    zipped = _is_archive(path)
    try:
        with torch.serialization.safe_globals(list(beside)):
            # Files of the old format, which is no zip, cannot be mapped into memory.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:
        # A damaged pickle can raise anything.
        reason = str(error).strip().splitlines()
        msg = (
            f"{path} cannot be read as tensors alone ({reason[0] if reason else error!r}). Files "
            "that would run code are refused; save the `state_dict()` by itself, or as safetensors."
        )
        raise ValueError(msg) from error


def state_of(
    found: object, *, source: str, beginning: tuple[str, ...] = ()
) -> dict[str, torch.Tensor]:
    """Return the state dict in what was read: the tensors by name, floating ones in float32.

    Parameters
    ----------
    found
        A state dict, or a dictionary that holds one beside the state of an optimiser.
    source
        Where it comes from, for the message.
    beginning
        Beginnings of the names that are wanted; by default all.

    Raises
    ------
    ValueError
        If there is none, or anything else is in it.
    """
    for key in _NESTED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found:
        msg = (
            f"{source} holds no state dict, but {type(found).__name__}. Save `model.state_dict()`."
        )
        raise ValueError(msg)
    found = {_unwrapped(str(key)): value for key, value in found.items()}
    found = {key: value for key, value in found.items() if key.startswith(beginning or "")}
    strange = [key for key, value in found.items() if not isinstance(value, torch.Tensor)]
    if strange:
        msg = f"{source} holds things that are no tensors: {', '.join(map(repr, strange[:5]))}."
        raise ValueError(msg)
    return {key: _float(value) for key, value in found.items()}


def rename(
    state: Mapping[str, torch.Tensor], rules: Rules, *, dropped: Sequence[str] = ()
) -> dict[str, torch.Tensor]:
    r"""Rename tensors.

    Parameters
    ----------
    state
        Tensors by their published names.
    rules
        Regular expressions and replacements; all that match are applied, in order.
    dropped
        Regular expressions; what begins with one of them is left out, knowingly.

    Raises
    ------
    ValueError
        If two tensors get the same name.

    Examples
    --------
    >>> state = {"encoder.w": torch.zeros(1), "head.w": torch.zeros(1)}
    >>> sorted(rename(state, [(r"^encoder\.", "genes.")], dropped=[r"head\."]))
    ['genes.w']
    """
    renamed: dict[str, torch.Tensor] = {}
    for key, tensor in state.items():
        if any(re.match(pattern, key) for pattern in dropped):
            continue
        new = key
        for pattern, replacement in rules:
            new = re.sub(pattern, replacement, new)
        if new in renamed:
            msg = f"Two tensors of the checkpoint mean {new!r}, the second is {key!r}."
            raise ValueError(msg)
        renamed[new] = tensor
    return renamed


def refuse_larger(
    state: Mapping[str, torch.Tensor], *, n_layers: int, n_weights: int, source: str
) -> None:
    """Refuse to build a network that the tensors cannot fill: its size was only told, not seen.

    Parameters
    ----------
    state
        Tensors of the file.
    n_layers, n_weights
        What a config asks for; the number of weights may be a rough one.
    source
        Where the tensors come from, for the message.

    Raises
    ------
    ValueError
        If the network has more layers than the file has tensors, or over twice its weights.
    """
    found = sum(tensor.numel() for tensor in state.values())
    if n_layers > len(state) or n_weights > 2 * found:
        msg = (
            f"{source} has {found:,} weights in {len(state)} tensors, too few for the {n_layers:,} "
            f"layers with about {n_weights:,} weights that go with it. Get the folder again."
        )
        raise ValueError(msg)


def join_attention(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Join `query`, `key` and `value`, which our networks compute in one product, as `qkv`.

    Raises
    ------
    ValueError
        If one of the three is not there.

    Examples
    --------
    >>> parts = {f"0.{name}.bias": torch.ones(2) for name in ("query", "key", "value")}
    >>> join_attention(parts)["0.qkv.bias"].shape
    torch.Size([6])
    """
    joined = {key: part for key, part in state.items() if not _PART.fullmatch(key)}
    for key in state:
        if not (found := _PART.fullmatch(key)):
            continue
        layer, _, kind = found.groups()
        names = [f"{layer}.{part}.{kind}" for part in ("query", "key", "value")]
        if absent := [name for name in names if name not in state]:
            msg = f"The checkpoint has {key}, but lacks {', '.join(absent)}."
            raise ValueError(msg)
        joined[f"{layer}.qkv.{kind}"] = torch.cat([state[name] for name in names])
    return joined


def _read_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except (SafetensorError, ValueError, *UNFORESEEN) as error:
        msg = f"{path} cannot be read as safetensors ({error}). Get the file again."
        raise ValueError(msg) from error


def _is_archive(path: Path) -> bool:
    """Tell whether a file is an archive, and refuse one that may grow without bound.

    What torch writes is as long as it is.
    """
    try:
        # To look for the end of an archive fails on some that are damaged.
        if not is_zipfile(path):
            return False
        with ZipFile(path) as archive:
            parts = archive.infolist()
    except DAMAGED_ZIP as error:
        msg = f"{path} is a damaged archive ({error}). Get the file again."
        raise ValueError(msg) from error
    if packed := [part.filename for part in parts if part.compress_type != ZIP_STORED]:
        msg = f"{path} is refused: {packed[0]!r} in it is compressed, which torch.save never does."
        raise ValueError(msg)
    return True


def _unwrapped(key: str) -> str:
    for wrapper in _WRAPPERS:
        key = key.removeprefix(wrapper)
    return key


def _float(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
