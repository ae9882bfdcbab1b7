"""Bring the batches of a file together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scmmgpt_tl import tl

from . import _summary
from ._options import add_model, add_output, new_for_cells
from ._tool_run import run_tool, tell

if TYPE_CHECKING:
    import argparse

    import pandas as pd
    from anndata import AnnData

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm integrate`."""
    parser = new_for_cells(
        commands, "integrate", integrate, text="bring the batches of a file together"
    )
    parser.add_argument(
        "--batch-key", metavar="COLUMN", required=True, help="column of .obs with the batches"
    )
    parser.add_argument(
        "--method",
        choices=("linear", "scanvi"),
        default="linear",
        help="scanvi trains, by scvi-tools (default: %(default)s)",
    )
    parser.add_argument(
        "--key", help="name of the annotation whose labels are used (default: the model's own)"
    )
    parser.add_argument(
        "--use-rep", metavar="KEY", help="key of .obsm to correct instead, with linear"
    )
    parser.add_argument("--max-epochs", type=int, metavar="N", help="of scVI, with scanvi")
    parser.add_argument(
        "--save", type=Path, metavar="FOLDER", help="keep the trained model, with scanvi"
    )
    add_model(parser)
    add_output(parser, key="X_scmm_integrated", table="the vectors")


def integrate(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.integrate` on a file."""
    key = args.key_added
    names = ("batch_key", "method", "key", "use_rep", "max_epochs", "save")
    options = {name: getattr(args, name) for name in names}

    def table(adata: AnnData) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(adata.obsm[key], index=adata.obs_names)

    run = run_tool(args, tl.integrate, options, table=table)
    tell(args, run, verb="integrated", summary=lambda: _summary.integrated(run.adata, key))
    return 0
