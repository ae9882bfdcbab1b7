"""What files of more and more cells cost, and what is left of runs that are killed.

`python benchmarks/large_files.py --cells 10000 100000` writes the cells that ship with the package
again and again to zarr stores, thinned so that no two are the same, and runs tools on their paths.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import zarr
from _page import bullets, table
from _run import base_parser, bundle_folder, describe_run, save_parts, save_rows
from anndata import AnnData
from anndata.io import sparse_dataset, write_elem
from scipy import sparse

import scmmgpt_tl as scmm
from scmmgpt_tl.model.genes import GeneTable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

NAME = "large_files"
TOOLS = ("annotate", "embed")
WORK = "import sys; import scmmgpt_tl as scmm; getattr(scmm.tl, sys.argv[1])(sys.argv[2], model=sys.argv[3])"
# Rows in a chunk of the writing, and molecules that are kept.
AT_ONCE, KEPT = 5000, 0.8


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    folder = given.out / NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = []
    for n_cells in given.cells:
        path = write_cells(
            folder / f"{n_cells}.zarr", n_cells, seed=given.seed, genes=own_genes(given)
        )
        for tool in given.tools:
            rows.append({"tool": tool, "cells": n_cells} | measure(tool, path, given))
            print(rows[-1], flush=True)
    results = pd.DataFrame(rows)
    killed = kill(folder, given) if given.kills else None
    save_rows(results, given, name=NAME)
    save_parts(report(results, killed, facts=describe_run(given)), given, name=NAME)


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--kills", type=int, default=20, help="runs to kill")
    parser.add_argument(
        "--own-genes", action="store_true", help="write no genes but those that the model knows"
    )
    return parser.parse_args(arguments)


def own_genes(given: argparse.Namespace) -> tuple[str, ...] | None:
    """Genes to write, `None` for all."""
    table = bundle_folder(given.model) / "genes.tsv"
    return GeneTable.read(table).symbols if given.own_genes else None


def write_cells(path: Path, n_cells: int, *, seed: int, genes: Sequence[str] | None = None) -> Path:
    """Write cells to a zarr store, a few thousand at a time."""
    source = scmm.datasets.immune_mini()
    if genes is not None:
        source = source[:, source.var_names.isin(genes)].copy()
    counts = sparse.csr_matrix(source.X)
    names = pd.DataFrame(index=[f"cell{i}" for i in range(n_cells)])
    group = zarr.open_group(path, mode="w")
    write_elem(group, "/", AnnData(obs=names, var=source.var[[]]))
    del group["X"]
    rng = np.random.default_rng(seed)
    for start in range(0, n_cells, AT_ONCE):
        some = counts[np.arange(start, min(start + AT_ONCE, n_cells)) % counts.shape[0]]
        some.data = rng.binomial(some.data.astype(np.int64), KEPT).astype(np.float32)
        some.eliminate_zeros()
        if start == 0:
            write_elem(group, "X", some, dataset_kwargs={"chunks": (1_000_000,)})
        else:
            sparse_dataset(group["X"]).append(some)
    return path


def measure(tool: str, path: Path, given: argparse.Namespace) -> dict[str, float]:
    """Run a tool on a path in a process of its own; give its time, by the clock and of the CPU, and its peak memory."""
    start = time.perf_counter()
    words = [sys.executable, "-c", WORK, tool, str(path), str(bundle_folder(given.model))]
    child = subprocess.Popen(words)
    # What the system says of this child alone, which subprocess would not pass on.
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{tool} on {path} failed.")
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def kill(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Kill runs over a thousand cells at random points."""
    # A folder of its own: whatever else is seen in it was left by a run.
    (folder / "killed").mkdir()
    path = write_cells(folder / "killed" / "cells.zarr", 1000, seed=given.seed)
    script = Path(__file__).with_name("_killed_runs.py")
    words = [sys.executable, script, "annotate", path, bundle_folder(given.model), 100]
    words += [given.kills, given.seed]
    out = subprocess.run([str(w) for w in words], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(out.stdout)


def report(
    results: pd.DataFrame, killed: dict[str, Any] | None, *, facts: Sequence[str]
) -> list[str]:
    """Return the parts of the page."""
    rows = []
    for row in results.itertuples():
        first = results[results["tool"] == row.tool].iloc[0]
        growth = row.peak_mib / first["peak_mib"] - 1
        speed = row.cells / row.seconds
        rows.append(
            [row.tool, f"{row.cells:,}", f"{speed:,.0f}", f"{row.peak_mib:,.0f}", f"{growth:+.1%}"]
        )
    head = ["tool", "cells", "cells/s, start included", "peak memory in MiB", "growth"]
    parts = [bullets([facts[0], facts[-1]]), table(head, rows)]
    if killed:
        parts.append(
            f"Of runs in {killed['shards']} shards {killed['kills']} were killed (SIGKILL) at random "
            f"points; {killed['identical']} of {killed['finished']} results that were then finished "
            "are the same byte by byte as the one of a run left alone. Shards that were done and "
            f"made again: {killed['done_shards_redone']}; partial files to be seen: "
            f"{len(killed['visible'])}."
        )
    return parts


if __name__ == "__main__":
    main()
