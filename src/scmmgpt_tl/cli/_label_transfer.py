"""Give the cells of a file the labels of another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scmmgpt_tl import _files, get, tl

from . import _summary
from ._options import add_model, add_output, new_for_cells
from ._tool_run import run_tool, tell

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm label-transfer`."""
    parser = new_for_cells(
        commands,
        "label-transfer",
        label_transfer,
        text="give the cells of a file the labels of another one",
    )
    parser.add_argument(
        "reference", type=Path, metavar="REFERENCE", help="file with labelled cells"
    )
    parser.add_argument(
        "--labels-key", metavar="COLUMN", required=True, help="column of its .obs with the labels"
    )
    parser.add_argument(
        "--text-weight",
        type=float,
        default=0.5,
        help="how much the labels' names count, 0 to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.3,
        help="cells with a lower score are unknown (default: %(default)s)",
    )
    group = parser.add_argument_group("reference")
    group.add_argument("--reference-layer", metavar="LAYER", help="layer with its counts")
    group.add_argument(
        "--reference-counts",
        choices=("auto", "raw", "lognorm"),
        default="auto",
        help="what its values are (default: %(default)s)",
    )
    group.add_argument(
        "--reference-gene-symbols", metavar="COLUMN", help="column of its .var with gene names"
    )
    add_model(parser)
    add_output(parser, key="scmm_transferred", table="labels and scores")


def label_transfer(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.label_transfer` on two files."""
    key = args.key_added
    of_reference = ("reference_layer", "reference_counts", "reference_gene_symbols")
    names = ("labels_key", "text_weight", "threshold", *of_reference)
    options = {name: getattr(args, name) for name in names}
    options["reference"] = _files.read(args.reference, backed=False)
    run = run_tool(
        args, tl.label_transfer, options, table=lambda adata: get.annotation_df(adata, key=key)
    )
    tell(args, run, verb="labelled", summary=lambda: _summary.annotation(run.adata, key))
    return 0
