"""Rank texts by how well they fit the groups of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import get, tl

from ._options import add_model, add_output, names, new_for_cells
from ._say import paragraph
from ._tool_run import run_tool, tell

if TYPE_CHECKING:
    import argparse

    from anndata import AnnData

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm rank-terms`."""
    parser = new_for_cells(
        commands, "rank-terms", rank_terms, text="rank texts by how well they fit groups of cells"
    )
    parser.add_argument(
        "--groupby", metavar="COLUMN", help="column of groups (default: all cells together)"
    )
    parser.add_argument(
        "--terms", type=names, metavar="A,B", help="texts to rank (default: the model's labels)"
    )
    parser.add_argument("--n-terms", type=int, help="keep the best of each group (default: all)")
    add_model(parser)
    add_output(parser, key="scmm_rank_terms", table="the ranking")


def rank_terms(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.rank_terms` on a file."""
    key = args.key_added
    options = {name: getattr(args, name) for name in ("groupby", "terms", "n_terms")}
    run = run_tool(
        args, tl.rank_terms, options, table=lambda adata: get.rank_terms_df(adata, key=key)
    )
    tell(args, run, verb="compared with texts", summary=lambda: _summary(run.adata, key))
    return 0


def _summary(adata: AnnData, key: str, *, most: int = 5) -> str:
    """Show the best terms of each group."""
    lines = []
    for group, own in get.rank_terms_df(adata, key=key).groupby("group", sort=False):
        best = own.head(most)
        named = (f"{row.term} ({row.score:.3f})" for row in best.itertuples())
        lines += [f"{group}:", paragraph(", ".join(named))]
    return "\n".join(lines)
