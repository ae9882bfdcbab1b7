"""Put together what shares of a run have found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl._stream.cells import StoredCells
from scmmgpt_tl.tl._in_shards import finish
from scmmgpt_tl.tl._on_files import begun_runs, results_path

from ._options import add_loudness, new_for_cells
from ._say import say

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm merge`."""
    parser = new_for_cells(
        commands, "merge", merge, text="put together what `--shard` runs over a file have found"
    )
    parser.add_argument("--mod", help='modality of an .h5mu file (default: "rna")')
    add_loudness(parser)


def merge(args: argparse.Namespace) -> int:
    """Put together every run over a file that was begun; refuse one that lacks a part."""
    cells = StoredCells(args.input, mod=args.mod)
    target = results_path(args.input, args.mod)
    runs = begun_runs(args.input, args.mod)
    if not runs:
        msg = f"No run over {str(args.input)!r} waits to be put together."
        raise ValueError(msg)
    try:
        for run in runs:
            finish(run, target, cells)
    finally:
        cells.close()
    if not args.quiet:
        say(f"{len(runs)} run{'s' if len(runs) > 1 else ''} put together")
        say(f"wrote {target}")
    return 0
