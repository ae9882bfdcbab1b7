"""Score the cells of a file for sets of genes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scmmgpt_tl import get, tl

from ._options import add_model, add_output, new_for_cells
from ._say import table
from ._tool_run import run_share, run_tool, tell

if TYPE_CHECKING:
    import argparse

    from anndata import AnnData

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm score-gene-sets`."""
    parser = new_for_cells(
        commands, "score-gene-sets", score_gene_sets, text="score cells for sets of genes"
    )
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help='sets in words, such as "antigen presentation"'
    )
    parser.add_argument(
        "--sets",
        type=Path,
        metavar="FILE",
        help="sets from a .gmt file, or from a .json object of names and genes, genes with "
        "weights, or texts",
    )
    parser.add_argument(
        "--n-genes", type=int, default=50, help="genes of a text (default: %(default)s)"
    )
    add_model(parser)
    add_output(parser, key="scmm_gene_sets", table="the scores", in_batches=False, in_shards=True)


def score_gene_sets(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.score_gene_sets` on a file."""
    sets = {} if args.sets is None else read_sets(args.sets)
    sets |= {text: text for text in args.texts}
    key = args.key_added
    options = {"gene_sets": sets, "n_genes": args.n_genes}
    if args.shard is not None:
        return run_share(args, tl.score_gene_sets, options)
    run = run_tool(args, tl.score_gene_sets, options, table=lambda adata: adata.obsm[key])
    tell(args, run, verb="scored", summary=lambda: _summary(run.adata, key))
    return 0


def read_sets(path: Path) -> dict[str, Any]:
    """Read sets of genes from a `.gmt` or `.json` file.

    Raises
    ------
    ValueError
        If the file holds something else.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() == ".gmt":
        rows = [row for row in csv.reader(text.splitlines(), delimiter="\t") if any(row)]
        # A name, a description, and genes.
        return {name: [gene for gene in genes if gene] for name, _, *genes in map(_filled, rows)}
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"{str(path)!r} is no valid JSON ({error}). Give a .json object or a .gmt file."
        raise ValueError(msg) from error
    if not isinstance(found, dict):
        msg = f"{str(path)!r} must hold an object of names and sets, not {type(found).__name__}."
        raise ValueError(msg)
    return found


def _filled(row: list[str]) -> list[str]:
    return [*row, "", ""][: max(len(row), 2)]


def _summary(adata: AnnData, key: str) -> str:
    """Show the genes of each set that there are, and how its scores spread."""
    scores = get.gene_set_scores(adata, key=key)
    rows = [("set", "genes", "measured", "median score")]
    for column, name in enumerate(scores.var_names):
        found = scores.var.iloc[column]
        median = f"{float(scores.to_df().iloc[:, column].median()):.1f}"
        rows.append((name, str(found["n_genes"]), str(found["n_measured"]), median))
    return table(rows, right=[1, 2, 3])
