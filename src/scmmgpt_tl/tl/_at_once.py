"""A tool that pools cells, on a file: it looks at all of them, and loads no counts but a block."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from anndata import AnnData

from scmmgpt_tl._stream.cells import StoredCells, whole
from scmmgpt_tl._stream.join import check_same_cells, packed
from scmmgpt_tl._stream.put_together import put_together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scmmgpt_tl._stream.cells import Part

__all__ = ["run_at_once"]


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
        File with the results; those of earlier tools in it are known to this one.
    columns
        Columns of `.obs` that the tool looks at.
    keys
        Names of what else it looks at, in the file or among its results.

    Raises
    ------
    InUseError
        If another process writes to `target`.
    ValueError
        If there is no such column, or `target` holds results of other cells.
    """
    names = [*columns, *keys]
    with ExitStack() as stack:
        known = [cells]
        if target.exists():
            check_same_cells(target, cells.obs_names)
            known.append(stack.enter_context(closing(StoredCells(target))))
        _check_columns(columns, [name for held in known for name in held.columns])
        part = whole(cells, _together([held.beside(names) for held in known]))
        tool(part)
    with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as room:
        shard = Path(room) / "all.h5ad"
        shard.write_bytes(packed(part.found))
        put_together([shard], target, cells.obs_names, room=Path(room))


def _check_columns(columns: Sequence[str], have: Sequence[str]) -> None:
    missing = [name for name in columns if name not in have]
    if missing:
        msg = f"There is no column {missing[0]!r} in `.obs`. Columns: {list(have)}."
        raise ValueError(msg)


def _together(known: Sequence[AnnData]) -> AnnData:
    """What a file holds, and in its place what tools have found since."""
    obs = known[0].obs
    for later in known[1:]:
        obs = obs.assign(**{name: later.obs[name] for name in later.obs})
    obsm = {key: value for one in known for key, value in one.obsm.items()}
    return AnnData(obs=obs, obsm=obsm, uns={key: one.uns[key] for one in known for key in one.uns})
