"""A tool that pools cells, on a file: it looks at all of them, and loads no counts but a block."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from anndata import AnnData

from scmmgpt_tl._stream.cells import StoredCells
from scmmgpt_tl._stream.join import check_same_cells, packed
from scmmgpt_tl._stream.part import whole
from scmmgpt_tl._stream.put_together import put_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from scmmgpt_tl._stream.part import Part

__all__ = ["open_whole", "run_at_once", "together"]


def run_at_once(
    tool: Callable[[Part], Any],
    cells: StoredCells,
    target: Path,
    *,
    columns: Sequence[str],
    keys: Sequence[str],
) -> None:
    """Run a tool over all cells of a file, and write what it finds.

    Parameters
    ----------
    tool
        Takes the cells.
    cells
        The file.
    target
        File with the results.
    columns, keys
        As for :func:`open_whole`.

    Raises
    ------
    InUseError
        If another process writes to `target`.
    ValueError
        If there is no such column, or `target` holds results of other cells.
    """
    with open_whole(cells, target, columns=columns, keys=keys) as part:
        tool(part)
    with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as room:
        shard = Path(room) / "all.h5ad"
        shard.write_bytes(packed(part.found))
        put_together([shard], target, cells.obs_names, room=Path(room))


@contextmanager
def open_whole(
    cells: StoredCells, target: Path, *, columns: Sequence[str] | None, keys: Sequence[str]
) -> Iterator[Part]:
    """Open all cells of a file, with what lies beside their genes.

    Parameters
    ----------
    cells
        The file.
    target
        File with the results of earlier tools, if there are any: they are known as well.
    columns
        Columns of `.obs` that are looked at, `None` for all.
    keys
        Names of what else is looked at, in the file or among the results.

    Raises
    ------
    ValueError
        If there is no such column, or `target` holds results of other cells.
    """
    with ExitStack() as stack:
        known = [cells]
        if target.exists():
            check_same_cells(target, cells.obs_names)
            known.append(stack.enter_context(closing(StoredCells(target))))
        there = [name for held in known for name in held.columns]
        _check_columns(columns or (), there)
        names = [*(there if columns is None else columns), *keys]
        yield whole(cells, together(known, names))


def _check_columns(columns: Sequence[str], have: Sequence[str]) -> None:
    missing = [name for name in columns if name not in have]
    if missing:
        msg = f"There is no column {missing[0]!r} in `.obs`. Columns: {list(have)}."
        raise ValueError(msg)


def together(files: Sequence[StoredCells], names: Sequence[str]) -> AnnData:
    """Load what lies beside the genes of the same cells in several files; the last one counts.

    Parameters
    ----------
    files
        That hold them.
    names
        What to load, see :meth:`~scmmgpt_tl._stream.cells.StoredCells.beside`.
    """
    known = [held.beside(names) for held in files]
    obs = known[0].obs
    for later in known[1:]:
        obs = obs.assign(**{name: later.obs[name] for name in later.obs})
    obsm = {key: value for one in known for key, value in one.obsm.items()}
    return AnnData(obs=obs, obsm=obsm, uns={key: one.uns[key] for one in known for key in one.uns})
