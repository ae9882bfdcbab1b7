"""Find the cells of a file that a text describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import tl
from scmmgpt_tl._keys import SearchKeys

from . import _summary
from ._options import add_model, add_output, new_for_cells
from ._tool_run import run_share, run_tool, tell

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm search`."""
    parser = new_for_cells(commands, "search", search, text="find the cells that a text describes")
    parser.add_argument("query", help='what to look for, such as "exhausted CD8 T cell"')
    add_model(parser)
    add_output(parser, key="scmm_search", table="the scores", in_shards=True)


def search(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.search` on a file."""
    slot = SearchKeys(args.key_added).obs
    options = {"query": args.query}
    if args.shard is not None:
        return run_share(args, tl.search, options)
    run = run_tool(args, tl.search, options, table=lambda adata: adata.obs[[slot]])
    tell(
        args, run, verb="searched", summary=lambda: _summary.found(run.adata.obs[slot], args.query)
    )
    return 0
