"""A tool that looks at one cell at a time, on a file: shard by shard, here or on workers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from scmmgpt_tl._settings import settings
from scmmgpt_tl._stored import check_key, flat
from scmmgpt_tl._stream import run_folder
from scmmgpt_tl._stream.identity import identity
from scmmgpt_tl._stream.part import found_in
from scmmgpt_tl._stream.put_together import put_together
from scmmgpt_tl._stream.run_folder import InUseError, Manifest, RunFolder

from ._chosen_model import model_described
from ._workers.shards import make_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from scmmgpt_tl._stream.cells import StoredCells
    from scmmgpt_tl._stream.share import Share

    from ._workers.workers import Workers

__all__ = ["finish", "run_in_shards"]


def run_in_shards(
    tool: Callable[..., Any],
    cells: StoredCells,
    options: Mapping[str, Any],
    *,
    share: Share,
    target: Path,
    workers: Workers | None,
) -> None:
    """Run a tool over shards of a file, and put them together where these are all of them.

    Parameters
    ----------
    tool
        Takes a part of the file.
    cells
        The file.
    options
        Arguments of the tool, the model itself among them.
    share
        Which part of the work to do.
    target
        The file with the results.
    workers
        Who makes the shards; by default this process.
    """
    reader = model_described(options["model"])
    if workers is not None:
        # What is wrong with the call or the file is told here, before others are set to work.
        found_in(tool, cells, options, range(0))
        reader = workers.agree(options["model"])
    manifest = _manifest(tool, cells, options, reader=reader)
    run = RunFolder.begin(_folder(target, tool, options.get("key_added")), manifest)
    shards = share.of_shards(run.manifest.shards())
    try:
        with run.working(share):
            if workers is None:
                for rows in shards:
                    run.do(rows, partial(found_in, tool, cells, options))
            else:
                make_shards(
                    run, shards, workers, tool=tool.__name__, path=cells.path, options=options
                )
    except InUseError:
        raise
    except BaseException:
        if share.is_whole:
            run.remove(only_if_empty=True)
        raise
    if share.is_whole:
        finish(run, target, cells)


def finish(run: RunFolder, target: Path, cells: StoredCells) -> None:
    """Put the results of a run together, and delete its folder.

    Parameters
    ----------
    run
        All of whose shards are done.
    target
        The file with the results.
    cells
        Whose results these are.

    Raises
    ------
    InUseError
        If another process writes to `target`.
    ValueError
        If a shard is missing, the file was changed, or `target` holds results of other cells.
    """
    if run.manifest.input != identity(cells):
        msg = (
            f"{str(cells.path)!r} was changed after the run in {str(run.path)!r} was begun. "
            "Delete that folder, and run again."
        )
        raise ValueError(msg)
    missing = run.missing()
    if missing:
        cells_missing = ", ".join(f"{rows.start}-{rows.stop - 1}" for rows in missing[:3])
        msg = (
            f"{len(missing)} of {len(run.manifest.shards())} parts in {str(run.path)!r} are not done "
            f"(cells {cells_missing}{' and more' if len(missing) > 3 else ''}). Run them first."
        )
        raise ValueError(msg)
    shards = [run.file(rows) for rows in run.manifest.shards()]
    put_together(shards, target, cells.obs_names, room=run.path)
    run.remove()


def _folder(target: Path, tool: Callable[..., Any], key: str | None) -> Path:
    if key is not None:
        check_key(key)
    return target.with_name(f".{target.name}.{tool.__name__}.{key or 'default'}")


def _manifest(
    tool: Callable[..., Any],
    cells: StoredCells,
    options: Mapping[str, Any],
    *,
    reader: Mapping[str, Any],
) -> Manifest:
    said = {name: value for name, value in options.items() if name not in {"model", "batch_size"}}
    said["nan"] = settings.nan
    return Manifest(
        tool=tool.__name__,
        model=dict(reader),
        input=identity(cells),
        arguments=flat(said),
        shard_rows=run_folder.SHARD_ROWS,
    )
