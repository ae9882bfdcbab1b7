"""Read and write `.h5ad`, `.zarr` and `.h5mu` by suffix; a reader never meets a half-written file."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, assert_never, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

FileFormat = Literal["h5ad", "zarr", "h5mu"]


def file_format(path: Path) -> FileFormat:
    """Tell the format of a file from its suffix.

    Raises
    ------
    ValueError
        If the suffix is none of `.h5ad`, `.zarr` and `.h5mu`.

    Examples
    --------
    >>> from pathlib import Path
    >>> file_format(Path("cells.H5AD"))
    'h5ad'
    """
    suffix = path.suffix.lower().removeprefix(".")
    for known in get_args(FileFormat):
        if suffix == known:
            return known
    msg = f"Unknown suffix {path.suffix!r} of {str(path)!r}. Use .h5ad, .zarr or .h5mu."
    raise ValueError(msg)


def read(path: Path, *, backed: bool = False) -> AnnData | MuData:
    """Read an annotated data file.

    Parameters
    ----------
    path
        A `.h5ad` or `.h5mu` file, or a `.zarr` folder.
    backed
        Leave the matrix of a `.h5ad` file on disk.

    Returns
    -------
    :class:`~anndata.AnnData`, or :class:`~mudata.MuData` for `.h5mu`.

    Raises
    ------
    FileNotFoundError
        If nothing lies at `path`.
    ValueError
        If the suffix is unknown, the file is damaged, or `backed` is asked of another format than `.h5ad`.
    """
    kind = file_format(path)
    if not path.exists():
        msg = f"There is no file {str(path)!r}."
        raise FileNotFoundError(msg)
    if backed and kind != "h5ad":
        msg = f"Only .h5ad files can be read backed, not {str(path)!r}."
        raise ValueError(msg)
    try:
        return _read_as(kind, path, backed=backed)
    except (OSError, KeyError, ValueError, AttributeError, TypeError) as error:
        msg = f"Cannot read {str(path)!r} as {kind}: {_first_line(error)}"
        raise ValueError(msg) from error


def write(data: AnnData | MuData, path: Path, *, overwrite: bool = False) -> None:
    """Write an annotated data file whole or not at all.

    The data go to a hidden sibling of `path` first, are flushed to the disk, and take the place of
    `path` in one rename. An existing `.zarr` folder cannot be exchanged in one step: it is renamed
    aside, and put back if the new one cannot take its place.

    Parameters
    ----------
    data
        What to write; :class:`~mudata.MuData` goes to `.h5mu` only.
    path
        Where to.
    overwrite
        Replace what lies at `path`.

    Raises
    ------
    FileExistsError
        If something lies at `path` and `overwrite` is false.
    ValueError
        If the suffix is unknown or does not suit `data`.
    """
    check_target(path, overwrite=overwrite)
    check_format(data, path)
    with replacing(path) as temporary:
        _write_as(file_format(path), data, temporary)


def write_csv(frame: pd.DataFrame, path: Path, *, overwrite: bool = False) -> None:
    """Write a table as `.csv` (`.gz` compresses) whole or not at all.

    Raises
    ------
    FileExistsError
        If something lies at `path` and `overwrite` is false.
    """
    check_target(path, overwrite=overwrite)
    with replacing(path) as temporary:
        frame.to_csv(temporary)


def check_target(path: Path, *, source: Path | None = None, overwrite: bool = False) -> None:
    """Refuse an output path before any work is done for it.

    Raises
    ------
    FileExistsError
        If something lies at `path` (the input `source`, say) and `overwrite` is false.
    FileNotFoundError
        If the folder of `path` does not exist.
    ValueError
        If `path` lies inside the folder `source`, or is a folder that is no zarr store.
    """
    if not path.absolute().parent.is_dir():
        msg = f"There is no folder {str(path.absolute().parent)!r} to write {path.name!r} to."
        raise FileNotFoundError(msg)
    if source is not None and source.resolve() in path.resolve().parents:
        msg = f"{str(path)!r} lies inside the input {str(source)!r}. Choose another output."
        raise ValueError(msg)
    if path.exists() and not overwrite:
        same = source is not None and source.exists() and path.samefile(source)
        what = "is the input file" if same else "exists already"
        msg = f"{str(path)!r} {what}. Choose another output, or allow it to be overwritten."
        raise FileExistsError(msg)
    if path.is_dir() and not _is_zarr(path):
        msg = f"{str(path)!r} is a folder, but no zarr store; it is not replaced."
        raise ValueError(msg)


def check_format(data: AnnData | MuData, path: Path) -> None:
    """Refuse a suffix that does not suit the data.

    Raises
    ------
    ValueError
        If the suffix is unknown, or MuData would not go to `.h5mu`, or AnnData would.
    """
    if is_mudata(data) != (file_format(path) == "h5mu"):
        msg = f"Cannot write {type(data).__name__} to {str(path)!r}. Use .h5mu for MuData only."
        raise ValueError(msg)


@contextmanager
def replacing(path: Path, *, room: Path | None = None) -> Iterator[Path]:
    """Give a temporary sibling of `path`; when the block ends well it takes the place of `path`.

    Parameters
    ----------
    path
        What is written.
    room
        Folder on the same file system to work in; by default that of `path`.

    Yields
    ------
    A path that does not exist yet, with the suffixes of `path`, on the same file system.
    """
    # A link must go on pointing at the file that is replaced.
    target = path.resolve()
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=room or target.parent))
    try:
        temporary = folder / target.name
        yield temporary
        _flush(temporary)
        _swap(temporary, target, aside=folder / "replaced")
        _flush_entry(target.parent)
    finally:
        # What was renamed aside and could not be put back is the only copy there is.
        if target.exists() or not (folder / "replaced").exists():
            shutil.rmtree(folder, ignore_errors=True)


def is_mudata(data: AnnData | MuData) -> bool:
    """Tell MuData from AnnData without importing mudata."""
    return hasattr(data, "mod")


def _read_as(kind: FileFormat, path: Path, *, backed: bool) -> AnnData | MuData:
    import anndata

    match kind:
        case "h5ad":
            return anndata.read_h5ad(path, backed="r" if backed else None)
        case "zarr":
            return anndata.read_zarr(path)
        case "h5mu":
            with _mudata() as mudata:
                return mudata.read_h5mu(path)
        case _:
            assert_never(kind)


def _write_as(kind: FileFormat, data: AnnData | MuData, path: Path) -> None:
    match kind:
        case "h5ad":
            # The method, unlike this function, would rename the file that a backed object reads.
            from anndata.io import write_h5ad

            write_h5ad(path, data)
        case "zarr":
            with warnings.catch_warnings():
                # anndata announces the next default; which format it writes is the user's setting.
                warnings.filterwarnings("ignore", "Writing zarr v2 data", UserWarning)
                data.write_zarr(path)
        case "h5mu":
            with _mudata() as mudata:
                mudata.write_h5mu(path, data)
        case _:
            assert_never(kind)


@contextmanager
def _mudata() -> Iterator[ModuleType]:
    """Give mudata, not copying the columns of the modalities into the common table."""
    try:
        import mudata
    except ImportError as error:
        error.add_note("Please install `scmmgpt-tl[mudata]` to read and write .h5mu files.")
        raise
    old = version("mudata").startswith(("0.2.", "0.3."))
    with mudata.set_options(pull_on_update=False) if old else nullcontext():
        yield mudata


def _swap(temporary: Path, target: Path, *, aside: Path) -> None:
    """Put `temporary` in the place of `target`."""
    if not target.is_dir():
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
        return
    target.rename(aside)
    try:
        temporary.rename(target)
    except BaseException:
        aside.rename(target)
        raise


def _flush(path: Path) -> None:
    """Force a file, or everything in a folder, to the disk."""
    for entry in [*path.rglob("*"), path] if path.is_dir() else [path]:
        _flush_entry(entry)


def _flush_entry(path: Path) -> None:
    # Windows can neither open a folder nor flush a read-only handle; its rename is journaled.
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in (".zgroup", ".zattrs", "zarr.json"))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
