"""Say how two groups of cells of a file differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scmmgpt_tl import get, tl

from . import _summary
from ._options import add_model, add_output, names, new_for_cells
from ._score_gene_sets import read_sets
from ._tool_run import run_tool, tell

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm compare`."""
    parser = new_for_cells(
        commands, "compare", compare, text="write how two groups of cells differ"
    )
    parser.add_argument("--groupby", metavar="COLUMN", required=True, help="column of groups")
    parser.add_argument(
        "--a", type=names, metavar="A,B", required=True, help="first group, or several together"
    )
    parser.add_argument(
        "--b", type=names, metavar="A,B", help="second group (default: all other cells)"
    )
    parser.add_argument("--batch-key", metavar="COLUMN", help="column of donors, samples or runs")
    parser.add_argument(
        "--labels-key", metavar="COLUMN", help="column of cell types (default: the model's)"
    )
    parser.add_argument(
        "--terms",
        type=names,
        metavar="A,B",
        help="texts to compare by (default: the model's labels)",
    )
    parser.add_argument(
        "--gene-sets",
        type=Path,
        metavar="FILE",
        help="sets of genes: a .json object {name: [symbols]}, or a .gmt file",
    )
    add_model(parser)
    add_output(parser, key="scmm_comparison", table="the statements")


def compare(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.compare` on a file."""
    key = args.key_added
    options = {name: getattr(args, name) for name in ("groupby", "a", "b", "batch_key")}
    options |= {name: getattr(args, name) for name in ("labels_key", "terms")}
    options["gene_sets"] = None if args.gene_sets is None else read_sets(args.gene_sets)
    run = run_tool(args, tl.compare, options, table=lambda adata: get.comparison_df(adata, key=key))
    tell(args, run, verb="compared", summary=lambda: _summary.account(run.adata, key))
    return 0
