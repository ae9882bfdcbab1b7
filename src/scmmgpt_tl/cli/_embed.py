"""Give every cell of a file its place in the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmmgpt_tl import tl
from scmmgpt_tl._keys import EmbeddingKeys

from ._options import add_model, add_output, new_for_cells
from ._tool_run import load, run_share, run_tool, tell

if TYPE_CHECKING:
    import argparse

    import pandas as pd
    from anndata import AnnData

    from ._options import Commands


def add(commands: Commands) -> None:
    """Add `scmm embed`."""
    parser = new_for_cells(commands, "embed", embed, text="give every cell its place in the model")
    add_model(parser)
    add_output(
        parser,
        key=None,
        table="the vectors",
        in_shards=True,
        otherwise="X_scmm, or X_ and the kind of a published encoder",
    )


def embed(args: argparse.Namespace) -> int:
    """Run :func:`scmmgpt_tl.tl.embed` on a file."""
    if args.shard is not None:
        return run_share(args, tl.embed, {})

    def slot() -> str:
        key = load(args.model).key if args.key_added is None else args.key_added
        return EmbeddingKeys(key).obsm

    def table(adata: AnnData) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(adata.obsm[slot()], index=adata.obs_names)

    run = run_tool(args, tl.embed, {}, table=table)

    def summary() -> str:
        return f"obsm[{slot()!r}]: {run.adata.obsm[slot()].shape[1]} numbers a cell"

    tell(args, run, verb="embedded", summary=summary)
    return 0
