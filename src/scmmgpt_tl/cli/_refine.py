"""Let the cells of an annotated file decide together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import get, tl

from . import _summary
from ._options import add_level, add_model, add_output, add_threshold, new_for_cells
from ._tool_run import level, run_tool, tell

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm refine`."""
    parser = new_for_cells(
        commands,
        "refine",
        refine,
        text="let the cells of an annotated file decide together",
    )
    parser.add_argument(
        "--key", default="scmm_cell_type", help="name of the annotation (default: %(default)s)"
    )
    parser.add_argument(
        "--labels-key", metavar="COLUMN", help="column of .obs with labels that you know"
    )
    parser.add_argument(
        "--use-rep",
        metavar="KEY",
        help="key of .obsm that says which cells are alike (default: principal components)",
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="of learning (default: %(default)s)"
    )
    add_level(parser)
    add_threshold(parser)
    add_model(parser)
    add_output(parser, key="scmm_refined", table="labels and scores", in_batches=False)


def refine(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.refine` on a file."""
    key = args.key_added
    names = ("key", "labels_key", "use_rep", "threshold")
    options = {name: getattr(args, name) for name in names}
    options |= {"n_rounds": args.rounds, "level": level(args)}
    run = run_tool(args, tl.refine, options, table=lambda adata: get.annotation_df(adata, key=key))
    tell(args, run, verb="refined", summary=lambda: _summary.refined(run.adata, key, args.key))
    return 0
