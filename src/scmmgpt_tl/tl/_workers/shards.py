"""Shards of a run over a file, each made by one of the workers."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import scanpy as sc
from tqdm.auto import tqdm

from scmmgpt_tl._settings import settings
from scmmgpt_tl._stream.cells import StoredCells
from scmmgpt_tl._stream.part import found_in
from scmmgpt_tl._stream.run_folder import RunFolder

from .workers import TURN, address, turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from scmmgpt_tl._stream.run_folder import Manifest

    from .workers import ModelName, Workers

__all__ = ["make_shards"]

# The file that this process has open, by the run that it is of; the next run's takes its place.
_OPEN: dict[Path, tuple[Manifest, StoredCells]] = {}


@dataclass(frozen=True)
class _Work:
    """A run, as it is told to a worker.

    Parameters
    ----------
    tool
        Name of the tool.
    path
        The file, as all workers see it.
    options
        Arguments of the tool, without the model.
    model
        Which model to load.
    folder, manifest
        Of the run.
    nan
        What missing values are.
    """

    tool: str
    path: Path
    options: Mapping[str, Any]
    model: ModelName
    folder: Path
    manifest: Manifest
    nan: str


def make_shards(
    run: RunFolder,
    shards: Sequence[range],
    workers: Workers,
    *,
    tool: str,
    path: Path,
    options: Mapping[str, Any],
) -> None:
    """Have the workers make shards, and wait until they are there.

    A shard whose worker died is made by another one.

    Parameters
    ----------
    run
        The run.
    shards
        Rows of each.
    workers
        Who makes them.
    tool
        Name of the tool.
    path
        The file.
    options
        Arguments of the tool, without `copy` and `client`.
    """
    from distributed import as_completed

    said = {name: value for name, value in options.items() if name != "model"}
    said["batch_size"] = options.get("batch_size") or settings.batch_size
    folder = run.path.absolute()
    work = _Work(tool, path.absolute(), said, workers.model, folder, run.manifest, settings.nan)
    client, n_cells = workers.client, sum(map(len, shards))
    tasks = client.map(_make_shard, shards, work=work, pure=False)
    try:
        with tqdm(total=n_cells, desc=tool, unit="cell", disable=not settings.show_progress) as bar:
            for task in as_completed(tasks, loop=client.loop):
                bar.update(task.result())
    finally:
        client.cancel(tasks)
        client.run(_let_go, folder, on_error="ignore")


def _make_shard(rows: range, *, work: _Work) -> int:
    from scmmgpt_tl import tl

    with turn(nan=work.nan):
        options = {**work.options, "model": work.model.load(work.manifest.model)}
        tool = inspect.unwrap(getattr(tl, work.tool))
        make = partial(found_in, tool, _cells_of(work, tool, options), options)
        # Dask gives a task away when it has lost sight of a worker, which may be at it still.
        RunFolder(work.folder, work.manifest).do(rows, make, wait=True)
    return len(rows)


def _cells_of(work: _Work, tool: Callable[..., Any], options: Mapping[str, Any]) -> StoredCells:
    """Open and check the file of a run, unless that is done."""
    manifest, cells = _OPEN.get(work.folder, (None, None))
    if cells is None or manifest != work.manifest:
        _close()
        if not work.folder.exists():
            msg = (
                f"The worker {address()} does not see {str(work.folder)!r}. Put the file where all "
                "workers see it under the same path."
            )
            raise FileNotFoundError(msg)
        cells = StoredCells(work.path, mod=options.get("mod"))
        with _silent():
            found_in(tool, cells, options, range(0))
        _OPEN[work.folder] = work.manifest, cells
    return cells


def _let_go(folder: Path) -> None:
    """Close the file of a run; one that is being read is closed when the next one is opened."""
    if TURN.acquire(blocking=False):
        try:
            if folder in _OPEN:
                _close()
        finally:
            TURN.release()


def _close() -> None:
    while _OPEN:
        _OPEN.popitem()[1][1].close()


@contextmanager
def _silent() -> Iterator[None]:
    """Keep to oneself what the checks log: whoever gave the work has seen it."""
    before = sc.settings.verbosity
    sc.settings.verbosity = "error"
    try:
        yield
    finally:
        sc.settings.verbosity = before
