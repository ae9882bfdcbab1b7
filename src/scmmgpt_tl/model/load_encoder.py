"""From a folder with a published encoder to a model that is ready to run."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch

from scmmgpt_tl._warnings import warn

from .cell_text_model import CellTextModel
from .checkpoint import UNFORESEEN
from .encoder_model import EncoderModel
from .encoders.published import layouts, reader_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .encoder_model import EncoderParts
    from .encoders.published import Reader

_SHORT = 12
_START = 4096


def load_encoder(folder: Path, device: torch.device, dtype: torch.dtype) -> EncoderModel:
    """Read a published encoder; a second call for the same one returns the first one's result.

    Parameters
    ----------
    folder
        As it was published; of a kind that is one checkpoint, that file does as well.
    device, dtype
        Where the network runs, and in which precision.

    Raises
    ------
    FileNotFoundError
        If a file is missing, or all that would tell which encoder it is.
    ValueError
        If a file does not fit, or is no model by itself.
    """
    # What was changed on disk is read anew.
    return _load(folder, _stamp(folder), device, dtype)


def is_bundle(folder: Path) -> bool:
    """Tell whether a folder is to be read as a bundle, damaged ones among them."""
    config = folder / "config.json"
    if not config.is_file():
        return False
    with config.open("rb") as file:
        start = file.read(_START)
    return b'"format_version"' in start or reader_of(folder) is None


@lru_cache(maxsize=4)
def _load(
    folder: Path, stamp: tuple[object, ...], device: torch.device, dtype: torch.dtype
) -> EncoderModel:
    del stamp
    reader = reader_of(folder)
    if reader is None and folder.is_file():
        msg = (
            f"{folder} is a single file, and only a checkpoint that the authors' code of scMMGPT "
            "wrote is a model by itself. Give the folder of the model: a bundle, which has "
            f"config.json, or an encoder as it was published ({layouts()})."
        )
        raise ValueError(msg)
    if reader is None:
        msg = (
            f"{folder / 'config.json'} is missing, which every bundle has; nor does the folder hold "
            f"an encoder as it was published ({layouts()})."
        )
        raise FileNotFoundError(msg)
    # Building draws weights that are overwritten at once; the user's random state stays.
    with torch.random.fork_rng(devices=[]):
        parts = _read(reader, folder)
    if parts.restriction:
        warn(f"{parts.title}: {parts.restriction}")
    sha256 = _sha256([parts.weights, *parts.more_weights])
    known: dict[str, Any] = {
        "name": parts.title,
        "kind": parts.kind,
        "revision": sha256[:_SHORT],
        "sha256": sha256,
        "licence": parts.licence,
        "genes": parts.genes,
        "network": parts.network.eval().requires_grad_(requires_grad=False).to(device),
        "tokenizer": parts.tokenizer,
        "abilities": parts.abilities,
        "facts": parts.facts,
        "restriction": parts.restriction,
        "device": device,
        "dtype": dtype,
    }
    return EncoderModel(**known) if parts.text is None else CellTextModel(**known, text=parts.text)


def _read(reader: Reader, folder: Path) -> EncoderParts:
    try:
        return reader.read(folder)
    except UNFORESEEN as error:
        msg = (
            f"{folder} is not what its files seem to be ({reader.LAYOUT}): {error!r}. Get the "
            "folder again from where it was published."
        )
        raise ValueError(msg) from error


def _sha256(paths: Sequence[Path]) -> str:
    """Hash a file, or the hashes of several."""
    found = []
    for path in paths:
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return found[0] if len(found) == 1 else hashlib.sha256(" ".join(found).encode()).hexdigest()


def _stamp(folder: Path) -> tuple[object, ...]:
    # Some lay their parts out in folders of their own; what goes with a file lies beside it.
    paths = (
        folder.parent.iterdir() if folder.is_file() else (*folder.iterdir(), *folder.glob("*/*"))
    )
    files = sorted(path for path in paths if path.is_file())
    found = [(str(path), path.stat()) for path in files]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)
