"""Tie the genes that speak for labels together, in an annotated file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import get, tl

from ._options import add_model, add_output, new_for_cells
from ._say import paragraph
from ._tool_run import run_tool, tell

if TYPE_CHECKING:
    import argparse

    from anndata import AnnData

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm gene-network`."""
    parser = new_for_cells(
        commands,
        "gene-network",
        gene_network,
        text="tie the genes that speak for labels in the same cells of an annotated file",
    )
    add = parser.add_argument
    add("--key", default="scmm_cell_type", help="name of the annotation (default: %(default)s)")
    add("--groupby", metavar="COLUMN", help="column of groups (default: the cells of each label)")
    add("--label", help="label to explain (default: that of each group)")
    add("--against", metavar="LABEL", help="label to set it against (default: the runner-up)")
    add("--max-cells", type=int, default=100, help="most cells a group (default: %(default)s)")
    add("--n-genes", type=int, default=100, help="genes a group (default: %(default)s)")
    add("--n-edges", type=int, default=200, help="most ties a group (default: %(default)s)")
    add_model(parser)
    add_output(parser, key="scmm_gene_network", table="the ties")


def gene_network(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.gene_network` on a file."""
    key = args.key_added
    names = ("key", "groupby", "label", "against", "max_cells", "n_genes", "n_edges")
    options = {name: getattr(args, name) for name in names}
    run = run_tool(
        args, tl.gene_network, options, table=lambda adata: get.gene_network_df(adata, key=key)
    )
    tell(args, run, verb="looked through", summary=lambda: _summary(run.adata, key))
    return 0


def _summary(adata: AnnData, key: str, *, n_edges: int = 6) -> str:
    """Show the strongest ties of each group."""
    edges = get.gene_network_df(adata, key=key)
    lines = []
    for row in get.gene_network_df(adata, key=key, table="overview").itertuples(index=False):
        own = edges[edges["group"] == row.group].head(n_edges)
        tied = (f"{e.gene} - {e.other} ({e.correlation:.2f})" for e in own.itertuples())
        lines.append(f"{row.group}: {row.label} against {row.against}, {row.n_edges} ties")
        lines.append(paragraph(", ".join(tied) or "nothing goes together"))
    return "\n".join(lines)
