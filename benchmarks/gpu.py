"""How quick are all encoders on a GPU, and what share of what the chip can do is that?

Random weights at published size: speed does not depend on the weights. `python benchmarks/gpu.py`
needs a GPU for all but the arithmetic, which `--arithmetic` asks for alone.
"""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from _arithmetic import flops_a_cell, peak_flops, seconds
from _encoder_folders import write_cells
from _page import bullets, table
from _run import add_output, save_parts, save_rows
from encoders import KINDS, shape
from scipy.sparse import load_npz, vstack

from scmmgpt_tl.model.load import load_model
from scmmgpt_tl.model.runner import map_cells

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scipy.sparse import csr_matrix

NAME, PAGE, OURS = "gpu", "profile.md", "ours"
NO_GPU = "No GPU was found here, so that no speed of one was measured."
# Cells that operations are counted for, and how often the network is timed.
COUNTED, ROUNDS = 2, 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark, or say that it cannot be run."""
    given = read_arguments(arguments)
    has_gpu = torch.cuda.is_available()
    if not has_gpu:
        print(NO_GPU)
        if not given.arithmetic:
            return
    given.out.mkdir(parents=True, exist_ok=True)
    peak = peak_flops("cuda", torch.bfloat16) if has_gpu else None
    results = pd.DataFrame([one_encoder(kind, given, peak=peak) for kind in given.kinds])
    save_rows(results, given, name=NAME)
    save_parts(report(results, facts(peak)), given, name=NAME, page=PAGE)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--kinds", nargs="+", choices=[OURS, *KINDS], default=[OURS, *KINDS])
    add("--expressed", type=int, default=2000, help="median genes of a cell")
    add("--cells", type=int, default=2048, help="cells to time")
    add("--arithmetic", action="store_true", help="count operations even where there is no GPU")
    for name in ("layers", "width", "genes"):
        add(f"--{name}", type=int, help="by default as published")
    add("--seed", type=int, default=0)
    add_output(parser, page="profile.md")
    return parser.parse_args(arguments)


def one_encoder(kind: str, given: argparse.Namespace, *, peak: float | None) -> dict[str, Any]:
    """Count what there is to compute for a cell and, with a GPU, time it.

    Parameters
    ----------
    kind
        Key of `KINDS`, or the model that ships.
    given
        Command line.
    peak
        Operations a second that the GPU can do, `None` where there is none.
    """
    device = "cpu" if peak is None else "cuda"
    folder: str | Path = "default"
    title = "scmmgpt-tl, as shipped"
    if kind != OURS:
        one = shape(kind, given)
        title, folder = one.title, given.out / f"{kind}-{one.n_layers}x{one.width}-{one.n_genes}"
        if not folder.exists():
            one.write(folder, n_genes=one.n_genes, n_layers=one.n_layers, width=one.width)
    model = load_model(folder, device=device, dtype="float32")
    rows = made_up_cells(len(model.genes), given)
    found = {"encoder": title, "genes": given.expressed}
    found["gflop"] = flops_a_cell(model, rows[:COUNTED]) / 1e9
    if peak is not None:
        found |= timed(load_model(folder, device=device, dtype="bfloat16"), rows, given)
        found["floor"] = peak / (1e9 * found["gflop"])
        found["share"] = found["cells_per_second"] / found["floor"]
    return found


def made_up_cells(n_genes: int, given: argparse.Namespace) -> csr_matrix:
    """Return cells to encode.

    Parameters
    ----------
    n_genes
        Genes of the encoder.
    given
        Command line.
    """
    path = given.out / f"cells-{n_genes}-{given.expressed}.npz"
    write_cells(path, n_cells=64, n_genes=n_genes, expressed=given.expressed, seed=given.seed)
    return load_npz(path)


def timed(model: Any, rows: csr_matrix, given: argparse.Namespace) -> dict[str, float]:
    """Encode cells on the GPU, the median of some rounds after a first one.

    Parameters
    ----------
    model
        On the GPU.
    rows
        Cells, as many as are drawn; they are repeated.
    given
        Command line.
    """
    many = vstack([rows] * max(given.cells // rows.shape[0], 1), format="csr")

    def work() -> None:
        map_cells(model, [many], lambda states, _: {"cell": states.cell}, n_obs=many.shape[0])

    work()
    torch.cuda.reset_peak_memory_stats()
    spent = pd.Series([seconds(work, "cuda") for _ in range(ROUNDS)]).median()
    memory = torch.cuda.max_memory_allocated() / 2**20
    return {"cells_per_second": many.shape[0] / spent, "peak_mib": memory}


def report(results: pd.DataFrame, said: Sequence[str]) -> list[str]:
    """Return the parts of the page.

    Parameters
    ----------
    results
        A row an encoder.
    said
        What was run, on what.
    """
    head = ["encoder", "genes a cell, median", "GFLOP a cell"]
    more = {
        "cells/s, bfloat16": ("cells_per_second", ",.0f"),
        "at most, by arithmetic": ("floor", ",.0f"),
        "share of the peak": ("share", ".1%"),
        "memory of the GPU in MiB": ("peak_mib", ",.0f"),
    }
    shown = {title: how for title, how in more.items() if how[0] in results}
    rows = [
        [row["encoder"], f"{row['genes']:,}", f"{row['gflop']:,.3g}"]
        + [f"{row[column]:{form}}" for column, form in shown.values()]
        for _, row in results.iterrows()
    ]
    return [bullets(said), table([*head, *shown], rows)]


def facts(peak: float | None) -> list[str]:
    """Say what was run, on what."""
    versions = f"Python {platform.python_version()}, torch {version('torch')}"
    if peak is None:
        return [f"{NO_GPU} Operations were counted on the CPU.", f"{versions}."]
    name = torch.cuda.get_device_name()
    return [f"{name}: {peak / 1e12:,.0f} TFLOP/s in bfloat16, by a product.", f"{versions}."]


if __name__ == "__main__":
    main()
