"""Tools on files: their cells are read in parts, and what is found goes to a file beside them."""

from __future__ import annotations

import inspect
from contextlib import closing
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeAlias, TypeVar

from scmmgpt_tl import _files
from scmmgpt_tl._matrix import DEFAULT_MODALITY
from scmmgpt_tl._stream.cells import StoredCells
from scmmgpt_tl._stream.run_folder import RunFolder
from scmmgpt_tl._stream.share import Share

from ._at_once import open_whole, run_at_once
from ._chosen_model import load_any
from ._in_shards import run_in_shards
from ._workers.workers import workers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anndata import AnnData
    from distributed import Client

    Paths: TypeAlias = str | Path | Sequence[str | Path]

__all__ = ["begun_runs", "makes_of_paths", "results_path", "run_on_file", "takes_paths"]

P = ParamSpec("P")
R = TypeVar("R")


class _Needs(NamedTuple):
    """What a tool needs of a file, see :func:`takes_paths`."""

    at_once: bool = False
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def all_cells(self, options: Mapping[str, Any]) -> bool:
        """Whether a call needs all cells at once."""
        return self.at_once or bool(_given(options, self.columns))


_NEEDS: dict[Callable[..., Any], _Needs] = {}


def takes_paths(
    *,
    at_once: bool = False,
    columns: Sequence[str] = (),
    keys: Sequence[str] = (),
    also: Sequence[str] = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a tool take paths as well.

    A tool that says of each cell what that cell is by itself gets a few thousand cells at a time.
    One that pools cells gets all at once: what lies beside their counts is loaded, and the counts
    are read block by block.

    Parameters
    ----------
    at_once
        Whether the tool pools cells.
    columns
        Arguments that name columns of `.obs`, for which any tool needs all cells at once.
    keys
        Arguments that name other slots: representations, and what earlier tools have found.
    also
        Slots that it looks at if they are there, without being told.
    """

    def decorate(tool: Callable[P, R]) -> Callable[P, R]:
        _NEEDS[tool] = _Needs(at_once, tuple(columns), tuple(keys), tuple(also))

        @wraps(tool)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            paths, options = _bound(tool, args, kwargs)
            if options.get("client") is not None:
                workers_of(options["client"], options["model"])
            if not _are_paths(paths):
                return tool(*args, **kwargs)
            return _run_on_files(tool, paths, options)  # type: ignore[return-value]

        return run

    return decorate


def makes_of_paths(tool: Callable[P, R]) -> Callable[P, R]:
    """Let a tool that returns a new object take paths as well: of a list of them, a list of objects.

    All columns of `.obs` are loaded, and those that other tools have found.
    """

    @wraps(tool)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        paths, options = _bound(tool, args, kwargs)
        if not _are_paths(paths):
            return tool(*args, **kwargs)
        if isinstance(paths, str | Path):
            return _make_of(tool, Path(paths), options)
        return [_make_of(tool, Path(path), options) for path in paths]  # type: ignore[return-value]

    return run


def _make_of(tool: Callable[..., R], path: Path, options: Mapping[str, Any]) -> R:
    mod = options["mod"]
    with (
        closing(StoredCells(path, mod=mod)) as cells,
        open_whole(cells, results_path(path, mod), columns=None, keys=()) as part,
    ):
        return tool(part, **options)


def _run_on_files(
    tool: Callable[..., Any], paths: Paths, options: dict[str, Any]
) -> AnnData | None:
    copy, client = options.pop("copy"), options.pop("client", None)
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
    needs = _NEEDS.get(tool, _Needs())
    at_once = needs.all_cells(options)
    if at_once and not (share.is_whole and workers is None):
        msg = (
            "`--shard`, `--dask` and `client` are for tools that look at one cell at a time, without "
            "`groupby`: leave them out."
        )
        raise ValueError(msg)
    with closing(StoredCells(path, mod=options.get("mod"))) as cells:
        target = results_path(path, options.get("mod"))
        _files.check_target(target, source=path, overwrite=True)
        if at_once:
            run_at_once(
                partial(tool, **options),
                cells,
                target,
                columns=_given(options, needs.columns),
                keys=[*_given(options, needs.keys), *needs.also],
            )
        else:
            run_in_shards(tool, cells, options, share=share, target=target, workers=workers)
    return target


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


def _bound(
    tool: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Return what a tool is to work on, and all other arguments, defaults among them."""
    given = inspect.signature(tool).bind(*args, **kwargs)
    given.apply_defaults()
    options = dict(given.arguments)
    return options.pop("adata"), options


def _are_paths(given: object) -> bool:
    if isinstance(given, list | tuple):
        return bool(given) and all(isinstance(path, str | Path) for path in given)
    return isinstance(given, str | Path)


def _given(options: Mapping[str, Any], arguments: Sequence[str]) -> list[str]:
    """Names that the user gave for some of the arguments."""
    return [options[name] for name in arguments if options.get(name) is not None]
