"""What two Dask workers of a core each are worth against one, and against none.

`python benchmarks/dask_workers.py --max-cells 4000` writes the cells that ship with the package again
and again to a zarr store, and runs tools on its path with a client of each cluster in turn.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pandas as pd
from _page import bullets, table
from _run import base_parser, check_packages, describe_run, save_parts, save_rows
from large_files import TOOLS, write_cells

import scmmgpt_tl as scmm
from scmmgpt_tl._stream import run_folder
from scmmgpt_tl.tl._on_files import results_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

NAME = "dask_workers"
# Without Dask; and how many workers.
WAYS = {"no Dask, one thread": 0, "one worker": 1, "two workers": 2}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    check_packages(["distributed"])
    folder = given.out / NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = write_cells(folder / "cells.zarr", given.max_cells, seed=given.seed)
    run_folder.SHARD_ROWS = given.shard_rows
    rows = measure(path, given)
    save_rows(rows, given, name=NAME)
    save_parts(report(rows, facts=facts_of(given)), given, name=NAME)


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=["embed"])
    parser.add_argument("--rounds", type=int, default=5, help="times that the ways take turns")
    parser.add_argument("--shard-rows", type=int, default=250, help="cells of a shard")
    return parser.parse_args(arguments)


def measure(path: Path, given: argparse.Namespace) -> pd.DataFrame:
    """Time every way in turn, again and again; workers have loaded the model before."""
    import torch
    from distributed import Client, LocalCluster

    # What a worker of one core has; it is put to the same here.
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        clients: dict[str, Client | None] = {}
        for way, n_workers in WAYS.items():
            clients[way] = None
            if n_workers:
                cluster = LocalCluster(
                    n_workers=n_workers,
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    memory_limit=None,
                )
                client = Client(stack.enter_context(cluster), set_as_default=False)
                clients[way] = stack.enter_context(client)
        for round_number in range(given.rounds + 1):
            for tool in given.tools:
                for way, client in clients.items():
                    seconds, found = timed(tool, path, client, model=given.model)
                    rows.append(
                        {"round": round_number, "tool": tool, "way": way, "seconds": seconds}
                        | {"cells": given.max_cells, "load": os.getloadavg()[0], "found": found}
                    )
                    print({**rows[-1], "found": len(found)}, flush=True)
    results = pd.DataFrame(rows)
    whole = results.groupby("tool")["found"].transform("first")
    results["same"] = [found == first for found, first in zip(results["found"], whole, strict=True)]
    # The first round is for models to be loaded.
    return results[results["round"] > 0].drop(columns="found")


def timed(tool: str, path: Path, client: object, *, model: Path | None) -> tuple[float, bytes]:
    """Seconds that a tool takes for a file, and what it writes."""
    start = time.perf_counter()
    getattr(scmm.tl, tool)(path, model=model, client=client)
    seconds = time.perf_counter() - start
    found = results_path(path).read_bytes()
    results_path(path).unlink()
    return seconds, found


def facts_of(given: argparse.Namespace) -> list[str]:
    """What was run."""
    model, _, machine = describe_run(given, ["distributed"])[:3]
    n_shards = -(-given.max_cells // given.shard_rows)
    cells = f"{given.max_cells:,} cells in {n_shards} shards; {given.rounds} rounds, medians."
    return [model, machine, cells]


def report(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return the parts of the page."""
    rows = []
    for (tool, way), own in results.groupby(["tool", "way"], sort=False):
        one = results[(results["tool"] == tool) & (results["way"] == "one worker")]
        pairs = own.set_index("round")["seconds"], one.set_index("round")["seconds"]
        faster = (pairs[1] / pairs[0]).median()
        speed = (own["cells"] / own["seconds"]).median()
        same = f"{int(own['same'].sum())} of {len(own)}"
        rows.append([tool, way, f"{speed:,.1f}", f"{faster:.2f}", same])
    load = results["load"]
    busy = f"Processes that wanted a core, the {load.min():.1f} to {load.max():.1f} of the system's load average: more than there are cores means that ratios say little."
    head = ["tool", "way", "cells/s", "of one worker's speed, same round", "same file"]
    return [bullets([*facts, busy]), table(head, rows)]


if __name__ == "__main__":
    main()
