"""Tools on files: their cells are read in parts, and what is found goes to a file beside them."""

from __future__ import annotations

import hashlib
import inspect
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

import numpy as np
from scanpy import logging as logg

from scmmgpt_tl import _files
from scmmgpt_tl._matrix import DEFAULT_MODALITY, take_rows
from scmmgpt_tl._settings import settings
from scmmgpt_tl._stored import check_key, flat
from scmmgpt_tl._stream import run_folder
from scmmgpt_tl._stream.cells import StoredCells, found_in
from scmmgpt_tl._stream.join import join
from scmmgpt_tl._stream.run_folder import InUseError, Manifest, RunFolder, Share, held

from ._session import load_any, model_described
from ._workers.shards import make_shards
from ._workers.workers import workers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anndata import AnnData
    from distributed import Client

    Paths: TypeAlias = str | Path | Sequence[str | Path]

__all__ = ["begun_runs", "finish", "results_path", "run_on_file", "takes_paths"]

P = ParamSpec("P")
R = TypeVar("R")

# Cells whose values stand for those of the file when two runs are compared.
_LOOKED_AT = 64


def takes_paths(tool: Callable[P, R]) -> Callable[P, R]:
    """Let a tool that says of each cell what that cell is take paths as well.

    Parameters
    ----------
    tool
        Takes an AnnData, or a part of a file in its place.
    """

    @wraps(tool)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        given = inspect.signature(tool).bind(*args, **kwargs)
        given.apply_defaults()
        if given.arguments["client"] is not None:
            workers_of(given.arguments["client"], given.arguments["model"])
        paths = given.arguments["adata"]
        if not _are_paths(paths):
            return tool(*args, **kwargs)
        options = {name: value for name, value in given.arguments.items() if name != "adata"}
        return _run_on_files(tool, paths, options)  # type: ignore[return-value]

    return run


def _run_on_files(
    tool: Callable[..., Any], paths: Paths, options: dict[str, Any]
) -> AnnData | None:
    copy, client = options.pop("copy"), options.pop("client")
    files = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if copy and len(files) != 1:
        msg = "`copy=True` returns one object. Pass one path, or read the files beside the inputs."
        raise ValueError(msg)
    targets = [run_on_file(tool, path, options, client=client) for path in files]
    if not copy:
        return None
    found: AnnData = _files.read(targets[0])
    return found


def run_on_file(
    tool: Callable[..., Any],
    path: Path,
    options: Mapping[str, Any],
    *,
    share: Share = Share(),  # noqa: B008 - it cannot be changed
    client: Client | None = None,
) -> Path:
    """Run a tool over a file, or over a share of it, going on with what was done before.

    Parameters
    ----------
    tool
        The function itself, or what :func:`takes_paths` made of it.
    path
        A `.h5ad` or `.h5mu` file, or a `.zarr` folder; it is only read.
    options
        Arguments of the tool, without `copy` and `client`.
    share
        Which part of the work to do; results are put together where it is all of it.
    client
        Connected with workers that do it; by default this process does.

    Returns
    -------
    The file with the results.

    Raises
    ------
    InUseError
        If another process does the same.
    ValueError
        If a run of another kind was begun here, or the tool refuses the cells.
    """
    tool = inspect.unwrap(tool)
    workers = None if client is None else workers_of(client, options.get("model"))
    options = {**options, "model": load_any(options.get("model"))}
    if options.get("groupby") is not None and not (share.is_whole and workers is None):
        msg = (
            "`groupby` needs all cells at once. Leave it out, or run without `--shard`, `--dask` and "
            "`client`."
        )
        raise ValueError(msg)
    cells = StoredCells(path, mod=options.get("mod"))
    try:
        target = results_path(path, options.get("mod"))
        _files.check_target(target, source=path, overwrite=True)
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
                        run, shards, workers, tool=tool.__name__, path=path, options=options
                    )
        except InUseError:
            raise
        except BaseException:
            if share.is_whole:
                run.remove(only_if_empty=True)
            raise
        if share.is_whole:
            finish(run, target, cells)
    finally:
        cells.close()
    return target


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
    if run.manifest.input != _identity(cells):
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
    with held(target.with_name(f".{target.name}.lock"), repr(str(target))):
        join(
            [run.file(rows) for rows in run.manifest.shards()],
            target,
            cells.obs_names,
            room=run.path,
        )
    run.remove()
    logg.info(f"    wrote {target}")


def results_path(path: Path, mod: str | None = None) -> Path:
    """Tell where the results of a file go: beside it, whatever its format to one `.h5ad` file.

    Parameters
    ----------
    path
        The file.
    mod
        Modality of a `.h5mu` file.

    Examples
    --------
    >>> from pathlib import Path
    >>> results_path(Path("cells.zarr")).name, results_path(Path("cells.h5mu")).name
    ('cells.scmm.h5ad', 'cells.rna.scmm.h5ad')
    """
    part = f".{mod or DEFAULT_MODALITY}" if _files.file_format(path) == "h5mu" else ""
    return path.with_name(f"{path.stem}{part}.scmm.h5ad")


def begun_runs(path: Path, mod: str | None = None) -> list[RunFolder]:
    """Find the runs over a file that were begun and not put together.

    Parameters
    ----------
    path
        The file.
    mod
        Modality of a `.h5mu` file.
    """
    target = results_path(path, mod)
    found = target.parent.glob(f".{target.name}.*/manifest.json")
    return [RunFolder.open(manifest.parent) for manifest in sorted(found)]


def _are_paths(given: object) -> bool:
    if isinstance(given, list | tuple):
        return bool(given) and all(isinstance(path, str | Path) for path in given)
    return isinstance(given, str | Path)


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
    pooled = options.get("groupby") is not None
    return Manifest(
        tool=tool.__name__,
        model=dict(reader),
        input=_identity(cells),
        arguments=flat(said),
        # What pools cells must see them all at once.
        shard_rows=max(cells.n_obs, 1) if pooled else run_folder.SHARD_ROWS,
    )


def _identity(cells: StoredCells) -> dict[str, Any]:
    return {"name": cells.path.name, "n_obs": cells.n_obs, "fingerprint": _fingerprint(cells)}


def _fingerprint(cells: StoredCells) -> str:
    """Tell two files apart by names, shape and the values of some cells, without reading all."""
    found = hashlib.sha256()
    rows = np.unique(np.linspace(0, max(cells.n_obs - 1, 0), _LOOKED_AT).astype(np.intp))
    for names in (*cells.obs_names.blocks(), cells.var_names):
        found.update("\n".join(map(str, names)).encode())
    for matrix in (cells.X, *cells.layers.values()):
        if matrix is not None:
            some = take_rows(matrix, rows[rows < cells.n_obs])
            for values in (some.data, some.indices, some.indptr):
                found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()
