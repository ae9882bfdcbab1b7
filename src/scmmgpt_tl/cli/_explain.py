"""Say which genes made the labels of an annotated file."""

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
    """Add `scmm explain`."""
    parser = new_for_cells(
        commands, "explain", explain, text="say which genes made the labels of an annotated file"
    )
    add = parser.add_argument
    add("--key", default="scmm_cell_type", help="name of the annotation (default: %(default)s)")
    add("--groupby", metavar="COLUMN", help="column of groups (default: every cell by itself)")
    add("--label", help="label to explain (default: that of each cell or group)")
    add("--against", metavar="LABEL", help="label to set it against (default: the runner-up)")
    add(
        "--method",
        choices=("integrated_gradients", "leave_one_out"),
        help="how genes are weighed (default: what suits the model)",
    )
    add(
        "--max-cells",
        type=int,
        default=20,
        help="most cells, of each group with --groupby (default: %(default)s)",
    )
    add("--n-genes", type=int, default=10, help="genes for, and against (default: %(default)s)")
    add_model(parser)
    add_output(parser, key="scmm_explanation", table="the genes")


def explain(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.explain` on a file."""
    key = args.key_added
    names = ("key", "groupby", "label", "against", "method", "max_cells", "n_genes")
    options = {name: getattr(args, name) for name in names}
    run = run_tool(
        args, tl.explain, options, table=lambda adata: get.explanation_df(adata, key=key)
    )
    tell(args, run, verb="looked at", summary=lambda: _summary.explained(run.adata, key))
    return 0
