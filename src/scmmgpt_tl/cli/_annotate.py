"""Name the type of every cell of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import get, tl

from . import _summary
from ._options import add_choice, add_level, add_model, add_output, names, new_for_cells
from ._tool_run import choice, level, run_share, run_tool, tell

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm annotate`."""
    parser = new_for_cells(commands, "annotate", annotate, text="name the type of every cell")
    add_choice(parser)
    parser.add_argument("--tissue", type=names, metavar="A,B", help="only labels of these tissues")
    parser.add_argument("--groupby", metavar="COLUMN", help="one label for each group of cells")
    add_level(parser)
    add_model(parser)
    add_output(parser, key="scmm_cell_type", table="labels and scores", in_shards=True)


def annotate(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.annotate` on a file."""
    options = {**choice(args), "groupby": args.groupby, "level": level(args)}
    if args.shard is not None:
        return run_share(args, tl.annotate, options)
    key = args.key_added
    run = run_tool(
        args, tl.annotate, options, table=lambda adata: get.annotation_df(adata, key=key)
    )
    tell(args, run, verb="annotated", summary=lambda: _summary.annotation(run.adata, key))
    return 0
