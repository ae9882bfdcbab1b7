"""Where a long run keeps what it has done: a manifest, and shards that are whole or not there."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from scanpy import logging as logg

from scmmgpt_tl import _files

from .join import packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anndata import AnnData

    from .share import Share

FORMAT = 1
# Small enough to lose little, large enough that opening files costs nothing beside the model.
SHARD_ROWS = 4096

_HASH_AT_ONCE = 1 << 20


class InUseError(RuntimeError):
    """Another process is at the same work."""


@dataclass(frozen=True)
class Manifest:
    """What a run is of; one that goes on with it must be of the same.

    Parameters
    ----------
    tool
        Name of the tool.
    model
        Which model, in which precision.
    input
        Name, number of cells and fingerprint of the file.
    arguments
        What the user said, flat.
    shard_rows
        Cells of a shard.
    format
        Version of the folder's layout.
    """

    tool: str
    model: dict[str, Any]
    input: dict[str, Any]
    arguments: dict[str, Any]
    shard_rows: int
    format: int = FORMAT

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read it from a file.

        Raises
        ------
        ValueError
            If the file holds something else.
        """
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            msg = f"{str(path)!r} is no manifest of a run. Delete its folder to start anew."
            raise ValueError(msg) from error

    def shards(self) -> list[range]:
        """Rows of each shard; a file without cells has one that is empty."""
        n, size = int(self.input["n_obs"]), self.shard_rows
        return [range(start, min(start + size, n)) for start in range(0, max(n, 1), size)]

    def check_same(self, asked: Manifest, folder: Path) -> None:
        """Refuse to go on with another run.

        Raises
        ------
        ValueError
            Naming the first difference.
        """
        for part in ("format", "tool", "input", "model", "arguments"):
            begun, now = getattr(self, part), getattr(asked, part)
            if begun != now:
                msg = (
                    f"The run that was begun in {str(folder)!r} is of another {part}: "
                    f"{_difference(begun, now)}. Make the same call to go on with it, or delete "
                    "that folder to start anew."
                )
                raise ValueError(msg)


class RunFolder:
    """Folder of one run.

    Parameters
    ----------
    path
        A hidden folder beside the file with the results.
    manifest
        What is run.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path, self.manifest = path, manifest

    @classmethod
    def begin(cls, path: Path, asked: Manifest) -> RunFolder:
        """Make the folder, or go on with the one that is there.

        Raises
        ------
        ValueError
            If it is of another run.
        """
        path.mkdir(exist_ok=True)
        with FileLock(path / "manifest.lock"):
            stored = path / "manifest.json"
            if stored.exists():
                begun = Manifest.read(stored)
                begun.check_same(asked, path)
                return cls(path, begun)
            _write_json(stored, asdict(asked))
        return cls(path, asked)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open a folder that is there, whatever it is of."""
        return cls(path, Manifest.read(path / "manifest.json"))

    def file(self, rows: range) -> Path:
        """Where the results of some rows are."""
        return self.path / f"{rows.start:012d}-{rows.stop:012d}.h5ad"

    def is_done(self, rows: range) -> bool:
        """Whether the shard of these rows is there, and is what was written."""
        record = self._record(rows)
        if not (record.exists() and self.file(rows).exists()):
            return False
        written = json.loads(record.read_text(encoding="utf-8"))["sha256"]
        if written == _sha256(self.file(rows)):
            return True
        logg.warning(f"{str(self.file(rows))!r} was altered or damaged: making it again")
        return False

    def missing(self) -> list[range]:
        """Rows of the shards that are not done."""
        return [rows for rows in self.manifest.shards() if not self.is_done(rows)]

    def do(self, rows: range, work: Callable[[range], AnnData], *, wait: bool = False) -> None:
        """Make a shard, unless it is done.

        Parameters
        ----------
        rows
            Of the shard.
        work
            Makes it.
        wait
            Whether to wait for a process that is making it.

        Raises
        ------
        InUseError
            If another process is making it, and that is not to be waited for.
        """
        lock, what = self.file(rows).with_suffix(".lock"), f"cells {rows.start} to {rows.stop - 1}"
        with held(lock, what, wait=wait):
            if self.is_done(rows):
                return
            shard = packed(work(rows))
            with _files.replacing(self.file(rows)) as temporary:
                temporary.write_bytes(shard)
            _write_json(self._record(rows), {"sha256": hashlib.sha256(shard).hexdigest()})

    @contextmanager
    def working(self, share: Share) -> Iterator[None]:
        """Keep others from the same share, and tell what is kept if the work is cut short.

        Raises
        ------
        InUseError
            If another process has this share.
        """
        lock = self.path / f"share-{share.number}-of-{share.of}.lock"
        with held(lock, f"{self.manifest.input['name']!r} (share {share.number} of {share.of})"):
            try:
                yield
            except BaseException as error:
                shards = self.manifest.shards()
                done = sum(self._record(rows).exists() for rows in shards)
                if done:
                    error.add_note(
                        f"{done} of {len(shards)} parts are kept in {str(self.path)!r}: "
                        "the same call goes on from there."
                    )
                raise

    def remove(self, *, only_if_empty: bool = False) -> None:
        """Delete the folder."""
        if only_if_empty and any(self._record(rows).exists() for rows in self.manifest.shards()):
            return
        shutil.rmtree(self.path, ignore_errors=True)

    def _record(self, rows: range) -> Path:
        return self.file(rows).with_suffix(".json")


@contextmanager
def held(path: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock, which the system lets go when the process ends, however it ends.

    Parameters
    ----------
    path
        File of the lock.
    what
        What it guards, for the message.
    wait
        Whether to wait for a process that holds it.

    Raises
    ------
    InUseError
        If another process holds it, and that is not to be waited for.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout as error:
        msg = f"Another process is working on {what}. Wait until it has ended."
        raise InUseError(msg) from error
    try:
        yield
    finally:
        lock.release()


def _write_json(path: Path, content: object) -> None:
    with _files.replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_AT_ONCE):
            found.update(block)
    return found.hexdigest()


def _difference(begun: Any, now: Any) -> str:
    if not isinstance(begun, dict):
        return f"{begun!r}, not {now!r}"
    name = next(key for key in {**begun, **now} if begun.get(key) != now.get(key))
    return f"`{name}` was {begun.get(name)!r}, not {now.get(name)!r}"
