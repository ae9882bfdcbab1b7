"""Write about each group of cells of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import get, tl

from . import _summary
from ._options import add_choice, add_model, add_output, new_for_cells
from ._tool_run import choice, run_tool, tell

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm describe`."""
    parser = new_for_cells(commands, "describe", describe, text="write about each group of cells")
    parser.add_argument(
        "--groupby", metavar="COLUMN", help="column of groups (default: every cell by itself)"
    )
    add_choice(parser)
    parser.add_argument("--tissue", help="where the cells are from; only labels of this tissue")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another wording")
    add_model(parser)
    add_output(parser, key="scmm_description", table="the descriptions")


def describe(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.describe` on a file."""
    key = args.key_added
    options = {**choice(args), "groupby": args.groupby, "rng": args.seed}
    run = run_tool(
        args, tl.describe, options, table=lambda adata: get.description_df(adata, key=key)
    )
    tell(args, run, verb="described", summary=lambda: _summary.descriptions(run.adata, key))
    return 0
