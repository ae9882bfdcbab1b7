"""Files of a bundle on disk: what is let in, and how they get there whole."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from .checkpoint import UNFORESEEN
from .quantize import dequantize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

    import torch

SUFFIXES: Final = frozenset({".safetensors", ".json", ".tsv", ".md"})
CONFIG: Final = "config.json"

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_HARMLESS = frozenset({"LICENSE", "NOTICE"})
_MAX_HEADER_BYTES = 2**24
# How the files begin that `pickle.dump` (protocols 2 to 5) and `torch.save` write.
_CODE = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


def check_name(name: str) -> None:
    """Refuse a file name that is a path, or that has a suffix no bundle reads."""
    if not _PLAIN_NAME.fullmatch(name):
        msg = f"The bundle names a file {name!r}; its files lie side by side, without any path."
        raise ValueError(msg)
    if Path(name).suffix not in SUFFIXES:
        msg = f"The bundle names a file {name!r}; only {', '.join(sorted(SUFFIXES))} are read."
        raise ValueError(msg)


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds kinds of file which no bundle has, such as pickles."""
    for path in sorted(folder.iterdir()):
        # Hidden files belong to git, the hub or the desktop, and are never opened.
        known = path.suffix in SUFFIXES or path.name in _HARMLESS or path.name.startswith(".")
        if not known and not path.is_dir():
            msg = (
                f"{path} does not belong in a bundle, which holds {', '.join(sorted(SUFFIXES))} "
                "only. Remove it, or get the bundle again from where it was published."
            )
            raise ValueError(msg)


def inside(folder: Path, name: str, link_root: Path | None) -> Path:
    """Return the path of a regular file of a bundle; links only to places in ``link_root``."""
    path = folder / name
    if path.is_symlink():
        target = path.resolve()
        if link_root is None or not target.is_relative_to(link_root):
            msg = (
                f"{path} is a symbolic link to {target}, which a bundle may not hold. Copy the "
                "folder with its links resolved (`cp -rL`) and load the copy."
            )
            raise ValueError(msg)
    if not path.is_file():
        msg = f"{path} is missing. Get the whole bundle again; every file lies in this one folder."
        raise FileNotFoundError(msg)
    return path


def check_file(path: Path, expected: Mapping[str, Any]) -> None:
    """Compare size and SHA-256 of a file with what ``config.json`` says of it."""
    size = path.stat().st_size
    if size != expected["bytes"]:
        msg = (
            f"{path} has {size:,} bytes instead of {expected['bytes']:,}: it was cut short or "
            "changed. Get the bundle again."
        )
        raise ValueError(msg)
    found = _sha256(path)
    if found != expected["sha256"]:
        msg = (
            f"{path} has SHA-256 {found[:12]}... instead of {str(expected['sha256'])[:12]}...: it "
            "was changed after the bundle was written. Get the bundle again."
        )
        raise ValueError(msg)


def fingerprint(path: Path) -> dict[str, Any]:
    """Return size and SHA-256 of a file, as they stand in ``config.json``."""
    return {"sha256": _sha256(path), "bytes": path.stat().st_size}


def write_tensors(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write a state dict."""
    save_file({key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}, path)
    # safetensors writes for the owner alone; a package is installed by one user for all.
    path.chmod(0o644)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict, in float32."""
    _check_header(path)
    try:
        return dequantize(load_file(path))
    except (SafetensorError, ValueError, *UNFORESEEN) as error:
        msg = f"{path} cannot be read as safetensors ({error}). Get the bundle again."
        raise ValueError(msg) from error


@contextmanager
def written_whole(folder: str | PathLike[str], *, sign: str, what: str) -> Iterator[Path]:
    """Give a fresh folder beside ``folder``; when the block ends well it takes its place.

    Parameters
    ----------
    folder
        Target; what is there already is replaced.
    sign
        File by which what may be replaced is known.
    what
        What that is, for the message.

    Raises
    ------
    FileExistsError
        If ``folder`` exists and holds something else.
    """
    target = Path(folder).resolve()
    _refuse_other(target, sign=sign, what=what)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        fresh.chmod(0o755)
        yield fresh
        move_whole(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def move_whole(fresh: Path, folder: Path) -> None:
    """Put the finished folder ``fresh`` in the place of ``folder``."""
    for path in fresh.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    if not folder.exists():
        fresh.replace(folder)
        return
    # A folder cannot replace a full one in one step: the old one waits beside it meanwhile.
    old = fresh.with_name(f"{fresh.name}.old")
    folder.replace(old)
    try:
        fresh.replace(folder)
    except OSError:
        old.replace(folder)
        raise
    shutil.rmtree(old)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_header(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
    header = int.from_bytes(start, "little")
    if len(start) == 8 and header <= min(_MAX_HEADER_BYTES, size - 8):
        return
    if start.startswith(_CODE):
        msg = f"{path} is a pickle, which could run code; bundles hold safetensors only."
        raise ValueError(msg)
    msg = (
        f"{path} claims a header of {header:,} bytes in a file of {size:,}; at most "
        f"{_MAX_HEADER_BYTES:,} are read. It is no safetensors file: get the bundle again."
    )
    raise ValueError(msg)


def _refuse_other(folder: Path, *, sign: str, what: str) -> None:
    """Refuse to replace anything but an empty folder or one with the file ``sign``."""
    free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not free and not (folder / sign).is_file():
        msg = f"{folder} exists and is not {what}. Choose another folder, or remove it."
        raise FileExistsError(msg)
