"""Say which words of a query pulled the cells of a searched file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import get, tl

from . import _summary
from ._options import add_model, add_output, new_for_cells
from ._tool_run import run_tool, tell

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm explain-search`."""
    parser = new_for_cells(
        commands,
        "explain-search",
        explain_search,
        text="say which words of a query pulled the cells of a searched file",
    )
    add = parser.add_argument
    add("--key", default="scmm_search", help="name of the search (default: %(default)s)")
    add("--n-cells", type=int, help="cells that count as found (default: a tenth, at most 50)")
    add_model(parser)
    add_output(parser, key="scmm_search_explanation", table="the words")


def explain_search(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.explain_search` on a file."""
    key = args.key_added
    options = {"key": args.key, "n_cells": args.n_cells}
    run = run_tool(
        args, tl.explain_search, options, table=lambda adata: get.explanation_df(adata, key=key)
    )
    tell(args, run, verb="searched again", summary=lambda: _summary.words(run.adata, key))
    return 0
