"""What does a cell cost, of time and of memory, and how does that grow with the cells?

`python benchmarks/cost.py --cells 1000 10000` measures the model that ships; with `--model BUNDLE` and
`--keep` another one is added to what was measured before. Beyond the largest file, costs are
extrapolated and marked.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from _arithmetic import flops_a_cell, peak_flops, seconds
from _page import bullets, table
from _run import base_parser, bundle_folder, describe_run, save_parts, save_rows, threads
from _worker import peak_mib
from anndata import AnnData
from large_files import TOOLS, measure, own_genes, write_cells
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm
from scmmgpt_tl._input import prepare
from scmmgpt_tl.model.load import load_model

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from scmmgpt_tl.model import Model

NAME, PAGE, CELL = "cost", "profile.md", "cost_of_a_cell"
# What tells apart the kinds of what is measured.
KEYS = ["model", "device", "threads", "tool", "cells", "written"]
# Cells that are encoded in memory, and how often.
ENCODED, ROUNDS = 512, 3
# Cells that are annotated in memory, sums of so many, with so many genes each.
ANNOTATED, SUMMED, RICH, WARM_UP = 2048, 10, 2000, 64
BEYOND = (1_000_000, 10_000_000)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    folder = given.out / NAME
    folder.mkdir(parents=True, exist_ok=True)
    results = kept(growth(folder, given), given.out / f"{NAME}.csv", given)
    of_a_cell = kept([one_cell(given)], given.out / f"{CELL}.csv", given)
    save_rows(results, given, name=NAME)
    save_rows(of_a_cell, given, name=CELL)
    parts = report(of_a_cell, results, facts=describe_run(given))
    save_parts(parts, given, name=NAME, page=PAGE, rows=[CELL])


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add = parser.add_argument
    add("--cells", type=int, nargs="+", default=[1000, 10_000], help="sizes of files")
    add("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    add("--own-genes", action="store_true", help="write no genes but those that the model knows")
    add(
        "--keep",
        action="store_true",
        help="keep what was measured before, of other models or sizes",
    )
    return parser.parse_args(arguments)


def kept(rows: Sequence[dict[str, Any]], path: Path, given: argparse.Namespace) -> pd.DataFrame:
    """Put rows in the place of those of the same kind that were measured before.

    Parameters
    ----------
    rows
        New ones.
    path
        Where earlier ones are.
    given
        Command line.
    """
    found = pd.DataFrame(rows)
    if given.keep and path.exists():
        found = pd.concat([pd.read_csv(path, dtype={"threads": str}), found])
    keys = [name for name in KEYS if name in found]
    return found.drop_duplicates(keys, keep="last").reset_index(drop=True)


def growth(folder: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Run tools on files of several sizes.

    Parameters
    ----------
    folder
        For the files.
    given
        Command line.
    """
    rows = []
    model = load_model(bundle_folder(given.model), device="cpu")
    written = "the model's" if given.own_genes else "all"
    for n_cells in given.cells:
        path = write_cells(
            folder / f"{n_cells}.zarr", n_cells, seed=given.seed, genes=own_genes(given)
        )
        for tool in given.tools:
            kind = {"model": model.name, "threads": threads(), "tool": tool, "cells": n_cells}
            kind["written"] = written
            rows.append(kind | measure(tool, path, given))
            print(rows[-1], flush=True)
    return rows


def one_cell(given: argparse.Namespace) -> dict[str, Any]:
    """Encode cells in memory, and compare with what the chip could do.

    Parameters
    ----------
    given
        Command line.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_model(bundle_folder(given.model), device=device, dtype="float32")
    # First, so that the peak of memory is that of annotating.
    annotated, memory = annotated_per_second(model, seed=given.seed), peak_mib()
    prepared = prepare(scmm.datasets.immune_mini()[:ENCODED].copy(), genes=model.genes)
    rows = next(iter(prepared.blocks()))
    size = model.batch_sizes[device]

    def work() -> None:
        for start in range(0, rows.shape[0], size):
            model.encode_cells(rows[start : start + size])

    work()
    spent = min(seconds(work, device) for _ in range(ROUNDS)) / rows.shape[0]
    flops, peak = flops_a_cell(model, rows[:size]), peak_flops(device, torch.float32)
    return {
        "model": model.name,
        "device": device,
        "genes": float(np.median(rows.getnnz(axis=1))),
        "mflop": flops / 1e6,
        "peak_gflop_per_second": peak / 1e9,
        "floor_us": 1e6 * flops / peak,
        "us": 1e6 * spent,
        "annotated": annotated,
        "peak_mib": memory,
    }


def annotated_per_second(model: Model, *, seed: int) -> float:
    """Annotate whole transcriptomes in memory with all threads, and take the time by the clock.

    Parameters
    ----------
    model
        Annotates.
    seed
        Of the choice of cells and genes.
    """
    adata = rich_cells(ANNOTATED, seed=seed)
    scmm.tl.annotate(adata[:WARM_UP].copy(), model=model)
    spent = []
    for _ in range(ROUNDS):
        again = adata.copy()
        start = time.perf_counter()
        scmm.tl.annotate(again, model=model)
        spent.append(time.perf_counter() - start)
    return adata.n_obs / float(np.median(spent))


def rich_cells(n_cells: int, *, seed: int) -> AnnData:
    """Make cells of as many genes as whole transcriptomes have: sums of the package's own.

    Parameters
    ----------
    n_cells
        How many.
    seed
        Of the choice of cells and genes.
    """
    rng = np.random.default_rng(seed)
    own = scmm.datasets.immune_mini()
    drawn = rng.integers(own.n_obs, size=(n_cells, SUMMED))
    picks = csr_matrix(
        (np.ones(drawn.size), drawn.ravel(), np.arange(0, drawn.size + 1, SUMMED)),
        shape=(n_cells, own.n_obs),
    )
    counts = (picks @ csr_matrix(own.X)).tocsr()
    for row in range(n_cells):
        values = counts.data[counts.indptr[row] : counts.indptr[row + 1]]
        values[rng.permutation(len(values))[RICH:]] = 0
    counts.eliminate_zeros()
    return AnnData(counts.astype(np.float32), var=own.var[[]])


def report(of_a_cell: pd.DataFrame, results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return the parts of the page.

    Parameters
    ----------
    of_a_cell
        A row a model and device.
    results
        A row a model, tool and size of file.
    facts
        What was run, on what.
    """
    rows = [
        [
            row.model,
            row.device,
            f"{row.genes:,.0f}",
            f"{row.mflop:,.2f}",
            f"{row.peak_gflop_per_second:,.0f}",
            f"{row.floor_us:,.1f}",
            f"{row.us:,.1f}",
            f"{row.floor_us / row.us:.0%}",
            f"{row.annotated:,.0f}",
            f"{row.peak_mib:,.0f}",
        ]
        for row in of_a_cell.itertuples()
    ]
    head = ["model", "device", "genes a cell, median", "MFLOP a cell", "GFLOP/s of the chip"]
    head += ["least µs a cell", "µs a cell", "share of the peak"]
    head += ["`annotate`, cells/s", "peak memory in MiB"]
    return [
        bullets([*facts[:1], *facts[2:]]),
        "#### A cell, in memory",
        table(head, rows),
        "#### A file of cells",
        growth_table(results),
    ]


def growth_table(results: pd.DataFrame) -> str:
    """One row a model, tool and size; what was not measured is extrapolated, and in italics.

    Parameters
    ----------
    results
        What was measured.
    """
    rows = []
    for kind, part in results.groupby(["model", "tool", "written", "threads"], sort=False):
        measured = part.sort_values("cells")
        least = measured["peak_mib"].iloc[0]
        rows += [
            [*kind, f"{row.cells:,}", *_cost(row.cpu_seconds, row.peak_mib, least=least)]
            for row in measured.itertuples()
        ]
        model, tool, *_ = kind
        alike = results[(results["model"] == model) & (results["tool"] == tool)]
        # Only what was measured furthest says what lies beyond.
        if len(measured) < 2 or alike["cells"].max() > measured["cells"].max():
            continue
        for n_cells in BEYOND:
            if n_cells > measured["cells"].max():
                costs = (_beyond(measured, what, n_cells) for what in ("cpu_seconds", "peak_mib"))
                cells = _cost(*costs, least=least)
                rows.append(
                    [*kind, f"{n_cells:,}", *(f"*{cell}*" if cell else "" for cell in cells)]
                )
    head = [
        "model",
        "tool",
        "genes in the file",
        "threads",
        "cells",
        "hours of one core",
        "peak memory in MiB",
        "beside the smallest file",
    ]
    return table(head, rows)


def _beyond(measured: pd.DataFrame, what: str, n_cells: int) -> float:
    """Lie on the line through the two largest files: a small one is less than a part of a large one."""
    known = measured[["cells", what]].dropna().tail(2)
    if len(known) < 2:
        return float("nan")
    return float(np.polyval(np.polyfit(known["cells"], known[what], 1), n_cells))


def _cost(cpu_seconds: float, peak_mib: float, *, least: float) -> list[str]:
    costs = f"{cpu_seconds / 3600:,.3f}", f"{peak_mib:,.0f}", f"{peak_mib / least:.3f}"
    return ["" if cost == "nan" else cost for cost in costs]


if __name__ == "__main__":
    main()
