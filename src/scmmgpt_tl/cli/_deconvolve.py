"""Split the spots of a file into shares of cell types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import get, tl

from . import _summary
from ._options import add_labels, add_model, add_output, names, new_for_cells
from ._tool_run import labels, run_tool, tell

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm deconvolve`."""
    parser = new_for_cells(
        commands,
        "deconvolve",
        deconvolve,
        text="split spots, which hold several cells each, into shares of cell types",
    )
    add_labels(parser)
    parser.add_argument("--tissue", type=names, metavar="A,B", help="labels of these tissues")
    add_model(parser)
    add_output(parser, key="scmm_mixture", table="shares", in_batches=False)


def deconvolve(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.deconvolve` on a file."""
    key = args.key_added
    options = {"labels": labels(args), "tissue": args.tissue}
    run = run_tool(args, tl.deconvolve, options, table=lambda adata: get.mixture_df(adata, key=key))
    tell(args, run, verb="split", summary=lambda: _summary.mixture(run.adata, key))
    return 0
