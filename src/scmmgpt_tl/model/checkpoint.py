"""Published checkpoints: tensors and nothing else, under the names that our networks use."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Rules = Sequence[tuple[str, str]]

# Where training scripts put the weights beside an optimiser's state.
_NESTED = ("state_dict", "model_state_dict")
_WRAPPERS = ("module.", "_forward_module.")


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
        found = _read_torch(path, part=bool(beginning))
    for key in _NESTED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found:
        msg = f"{path} holds no state dict, but {type(found).__name__}. Save `model.state_dict()`."
        raise ValueError(msg)
    found = {_unwrapped(str(key)): value for key, value in found.items()}
    found = {key: value for key, value in found.items() if key.startswith(beginning or "")}
    strange = [key for key, value in found.items() if not isinstance(value, torch.Tensor)]
    if strange:
        msg = f"{path} holds things that are no tensors: {', '.join(map(repr, strange[:5]))}."
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


def _read_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        msg = f"{path} cannot be read as safetensors ({error}). Get the file again."
        raise ValueError(msg) from error


def _read_torch(path: Path, *, part: bool) -> object:
    # Files of the old format, which is no zip, cannot be mapped into memory.
    mapped = part and is_zipfile(path)
    # Lightning keeps a script's arguments in a `Namespace`, which holds values and does nothing.
    beside: list[Any] = [Namespace] if part else []
    try:
        with torch.serialization.safe_globals(beside):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:
        # A damaged pickle can raise anything.
        reason = str(error).strip().splitlines()
        msg = (
            f"{path} cannot be read as tensors alone ({reason[0] if reason else error!r}). Files "
            "that would run code are refused; save the `state_dict()` by itself, or as safetensors."
        )
        raise ValueError(msg) from error


def _unwrapped(key: str) -> str:
    for wrapper in _WRAPPERS:
        key = key.removeprefix(wrapper)
    return key


def _float(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
