"""Run a tool over the cells of a file: read, compute, write, and tell what came out."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from scmmgpt_tl import _files
from scmmgpt_tl._matrix import modality
from scmmgpt_tl._stream.cells import StoredCells
from scmmgpt_tl._stream.join import open_results
from scmmgpt_tl.tl._at_once import together
from scmmgpt_tl.tl._on_files import run_on_file

from ._clusters import connected
from ._read_labels import read_labels
from ._say import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData


class Run(NamedTuple):
    """A tool's run over the cells of a file."""

    adata: AnnData
    seconds: float
    device: str
    output: Path


def run_tool(
    args: argparse.Namespace,
    tool: Callable[..., object],
    options: dict[str, Any],
    *,
    table: Callable[[AnnData], pd.DataFrame],
) -> Run:
    """Read, run and write; refuse a bad output before anything slow is done."""
    if args.csv is not None:
        _files.check_target(args.csv, source=args.input, overwrite=args.overwrite)
    run = _way(args)(args, tool, options)
    if args.csv is not None:
        _files.write_csv(table(run.adata), args.csv, overwrite=args.overwrite)
    return run


def run_share(
    args: argparse.Namespace, tool: Callable[..., object], options: dict[str, Any]
) -> int:
    """Do a share of the work, to be put together by `scmm merge`."""
    if "dask" in args:
        _check_workers(args)
    if args.output is not None or args.csv is not None:
        msg = "`--shard` leaves no results to write yet. Leave `-o` and `--csv` out."
        raise ValueError(msg)
    model = load(args.model)
    options = {**options, **input_options(args), "model": model}
    run_on_file(tool, args.input, options, share=args.shard)
    if not args.quiet:
        say(f"share {args.shard.number} of {args.shard.of} is done")
        say(f"  when all are: scmm merge {shlex.quote(str(args.input))}")
    return 0


def _way(args: argparse.Namespace) -> Callable[..., Run]:
    """Choose where results go, and who does the work."""
    if "dask" in args:
        _check_workers(args)
        if args.dask is not None:
            return _by_workers
    return _into_copy if args.output is not None else _beside


def _into_copy(
    args: argparse.Namespace, tool: Callable[..., object], options: dict[str, Any]
) -> Run:
    """Write a copy of the input that has the results."""
    _files.check_target(args.output, source=args.input, overwrite=args.overwrite)
    _files.file_format(args.output)
    data = _files.read(args.input, backed=args.backed)
    _files.check_format(data, args.output)
    adata = modality(data, args.mod)
    model = load(args.model)
    start = time.perf_counter()
    tool(data, **options, **input_options(args), model=model)
    seconds = time.perf_counter() - start
    _files.write(data, args.output, overwrite=args.overwrite)
    return Run(adata, seconds, str(model.device), args.output)


def _beside(args: argparse.Namespace, tool: Callable[..., object], options: dict[str, Any]) -> Run:
    """Write the results alone to a file beside the input."""
    model = load(args.model)
    start = time.perf_counter()
    output = run_on_file(tool, args.input, {**options, **input_options(args), "model": model})
    seconds = time.perf_counter() - start
    if "shard" in args:
        found = open_results(output, frame=args.key_added)
    else:
        found = _with_earlier(args, output)
    return Run(found, seconds, str(model.device), output)


def _with_earlier(args: argparse.Namespace, output: Path) -> AnnData:
    """Read what a tool found, and what it started from; arrays stay in the files, which stay open."""
    keys = [key for key in (args.key_added, getattr(args, "key", None)) if key is not None]
    files = [StoredCells(args.input, mod=args.mod), StoredCells(output)]
    return together(files, [*(name for file in files for name in file.columns), *keys])


def _by_workers(
    args: argparse.Namespace, tool: Callable[..., object], options: dict[str, Any]
) -> Run:
    """Have workers do the same, each with a model of its own."""
    start = time.perf_counter()
    with connected(args.dask, args.workers) as client:
        options = {**options, **input_options(args), "model": args.model}
        output = run_on_file(tool, args.input, options, client=client)
        n_workers = len(client.nthreads())
    who = f"{n_workers} Dask worker{'s' if n_workers != 1 else ''}"
    seconds = time.perf_counter() - start
    return Run(open_results(output), seconds, who, output)


def _check_workers(args: argparse.Namespace) -> None:
    if args.dask is None and args.workers is not None:
        msg = "`--workers` says how many workers `--dask` starts. Pass `--dask local`, or leave it out."
        raise ValueError(msg)
    if args.dask is not None and args.output is not None:
        msg = "With `--dask` results go to a file beside the input. Leave `-o` out."
        raise ValueError(msg)


def tell(args: argparse.Namespace, run: Run, *, verb: str, summary: Callable[[], str]) -> None:
    """Tell how fast it went, what came out, and what was written."""
    if args.quiet:
        return
    pace = run.adata.n_obs / max(run.seconds, 1e-9)
    say(
        f"{run.adata.n_obs:,} cells {verb} in {run.seconds:.1f} s ({pace:,.0f} cells/s, {run.device})"
    )
    say(summary())
    for path in filter(None, (run.output, args.csv)):
        say(f"wrote {path}")


def choice(args: argparse.Namespace) -> dict[str, Any]:
    """Labels to choose from, and what an answer needs."""
    return {"labels": labels(args), "tissue": args.tissue, "threshold": args.threshold}


def labels(args: argparse.Namespace) -> list[str] | dict[str, str] | None:
    """Labels to choose from; `None` for the model's own."""
    found: list[str] | None = args.labels
    return found if args.labels_file is None else read_labels(args.labels_file)


def level(args: argparse.Namespace) -> str | list[str] | None:
    """Level of the ontology to answer at."""
    # One term may be called "deepest", but then it is the only one that was given.
    return "deepest" if args.level == ["deepest"] else args.level


def load(name: str) -> Any:
    """Model of that name or folder."""
    import scmmgpt_tl as scmm

    return scmm.load_model(name)


def input_options(args: argparse.Namespace) -> dict[str, Any]:
    """How cells are read, and under which key results are kept."""
    names = ("layer", "counts", "gene_symbols", "species", "mod", "batch_size", "key_added")
    return {name: getattr(args, name) for name in names if name in args}
