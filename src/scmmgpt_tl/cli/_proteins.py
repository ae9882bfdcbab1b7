"""Ask the proteins of an annotated CITE-seq file whether they agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import get, tl

from . import _summary
from ._options import add_output, add_which_model, new_for_cells
from ._tool_run import run_tool, tell

if TYPE_CHECKING:
    import argparse

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm proteins`."""
    parser = new_for_cells(
        commands,
        "proteins",
        proteins,
        text="ask the proteins of an annotated CITE-seq file whether they agree",
    )
    parser.add_argument(
        "--key", default="scmm_cell_type", help="name of the annotation (default: %(default)s)"
    )
    parser.add_argument(
        "--protein-mod",
        metavar="NAME",
        help='modality of an .h5mu file with the proteins (default: "prot", "adt" or alike)',
    )
    parser.add_argument(
        "--protein-key",
        metavar="KEY",
        help='key of .obsm with the proteins (default: "protein_expression")',
    )
    parser.add_argument("--batch-key", metavar="COLUMN", help="column of .obs that tells samples")
    parser.add_argument(
        "--joint", action="store_true", help="write what RNA and proteins say together as well"
    )
    group = parser.add_argument_group("input")
    group.add_argument("--layer", help="layer with the counts of antibodies (default: X)")
    group.add_argument(
        "--mod", help='modality of an .h5mu file with the annotation (default: "rna")'
    )
    add_which_model(parser, default_model="default")
    add_output(
        parser,
        key=None,
        table="verdicts by cell",
        in_batches=False,
        otherwise="that of the annotation and _protein",
    )


def proteins(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.proteins` on a file."""
    key = args.key_added or f"{args.key}_protein"
    names = ("key", "protein_mod", "protein_key", "batch_key", "joint")
    options = {name: getattr(args, name) for name in names}
    run = run_tool(args, tl.proteins, options, table=lambda adata: get.protein_df(adata, key=key))
    tell(args, run, verb="compared", summary=lambda: _summary.proteins(run.adata, key))
    return 0
