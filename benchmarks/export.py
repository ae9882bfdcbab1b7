"""What do other engines make of the network of cells, beside torch?

The shipped model embeds real cells, and a network of scGPT's published size with random weights
made-up ones. Each engine runs in a process of its own; they take turns.
"""

from __future__ import annotations

import argparse
import platform
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from _encoder_folders import write_cells, write_scgpt
from _page import bullets, table
from _run import add_output, machine, save_parts, save_rows, threads
from _waiting import Waiting
from scipy.sparse import csr_matrix, load_npz, save_npz

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "export"
WORKER = Path(__file__).with_name("_export_worker.py")
ENGINES = ("torch", "onnxruntime", "openvino")
NETWORKS = {
    "shipped": "the shipped model, real immune cells",
    "scgpt": "scGPT's size, random weights, made-up cells",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    rows = [row for network in given.networks for row in compare(network, given)]
    results = pd.DataFrame(rows)
    save_rows(results, given, name=NAME)
    save_parts(tables(results, facts=facts(given)), given, name=NAME)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    add("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    add("--shipped-cells", type=int, default=256)
    add("--scgpt-cells", type=int, default=8)
    add("--shipped-batch", type=int, default=32)
    add("--scgpt-batch", type=int, default=4)
    add("--expressed", type=int, default=1500, help="median genes of a made-up cell")
    add("--layers", type=int, default=12)
    add("--width", type=int, default=512)
    add("--genes", type=int, default=60_694)
    add("--rounds", type=int, default=3)
    add("--seed", type=int, default=0)
    add("--model", type=Path, help="bundle folder; by default the model that ships")
    add_output(parser)
    return parser.parse_args(arguments)


def compare(network: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Time all engines on one network.

    Parameters
    ----------
    network
        Key of `NETWORKS`.
    given
        Command line.
    """
    folder = given.out / f"export-{network}"
    folder.mkdir(exist_ok=True)
    cells = folder / "cells.npz"
    name = _shipped(cells, given) if network == "shipped" else _scgpt(folder, cells, given)
    model = scmm.load_model(name, device="cpu")
    model.export(folder / "onnx")
    n_cells, batch = getattr(given, f"{network}_cells"), getattr(given, f"{network}_batch")
    making = _write_arrays(model, load_npz(cells), folder, batch=batch)
    told = name, str(folder), str(batch)
    passes: dict[str, list[dict[str, float]]] = {engine: [] for engine in given.engines}
    with ExitStack() as stack:
        workers = {engine: Waiting(stack, WORKER, engine, *told) for engine in given.engines}
        for _ in range(given.rounds):
            for engine, worker in workers.items():
                passes[engine].append(worker.ask("go"))
                print(network, engine, passes[engine][-1], flush=True)
        last = {engine: worker.ask("end") for engine, worker in workers.items()}
    vectors = {engine: np.load(end["embeddings"]) for engine, end in last.items()}
    rows = []
    for engine, end in last.items():
        medians = pd.DataFrame(passes[engine]).median()
        row = {"network": network, "engine": engine, "cells": n_cells, **medians}
        row["cells_per_second"] = n_cells / row["seconds"]
        row["cells_per_cpu_second"] = n_cells / row["cpu_seconds"]
        row["peak_mib"] = end["peak"]
        row["making"] = making
        row["difference"] = float(np.abs(vectors[engine] - vectors[given.engines[0]]).max())
        rows.append(row)
    return rows


def _write_arrays(model: Any, rows: csr_matrix, folder: Path, *, batch: int) -> float:
    """Write what goes into the network, and return how many seconds of the CPU a cell took."""
    for old in folder.glob("arrays-*.npz"):
        old.unlink()
    busy = time.process_time()
    starts = range(0, rows.shape[0], batch)
    parts = [model.export_inputs(rows[start : start + batch]) for start in starts]
    took = time.process_time() - busy
    for i, part in enumerate(parts):
        np.savez(folder / f"arrays-{i:05}.npz", **part)
    return took / rows.shape[0]


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, and one table of both networks; ratios are to the first engine."""
    rows = []
    for network, part in results.groupby("network", sort=False):
        base = part.iloc[0]
        rows += [
            [
                NETWORKS[network],
                f"{row['cells']}",
                row["engine"],
                f"{row['cells_per_second']:.2f}",
                f"{row['cells_per_second'] / base['cells_per_second']:.2f}",
                f"{row['cells_per_cpu_second']:.2f}",
                f"{row['cells_per_cpu_second'] / base['cells_per_cpu_second']:.2f}",
                f"{row['peak_mib']:,.0f}",
                f"{row['difference']:.1e}",
                "" if row["engine"] == "torch" else f"{1000 * row['making']:.1f}",
            ]
            for _, row in part.iterrows()
        ]
    head = ["network", "cells", "engine", "cells/s, median", "ratio", "cells a CPU second"]
    head += ["ratio", "peak memory in MiB", "largest difference"]
    head += ["arrays made before, CPU ms a cell"]
    return [bullets(facts), table(head, rows)]


def facts(given: argparse.Namespace) -> list[str]:
    """Say what was run, on what."""
    versions = ", ".join(f"{name} {version(name)}" for name in given.engines)
    batches = f"{given.shipped_batch} of real cells, {given.scgpt_batch} of made-up ones"
    cells = f"{given.expressed:,} genes in the median, {given.layers} layers of width {given.width}"
    return [
        f"scmmgpt-tl {version('scmmgpt-tl')}; {given.rounds} rounds in turn; batches of {batches}.",
        f"Made-up cells: {cells}.",
        f"Machine: {machine()}, threads: {threads()}; Python {platform.python_version()}, {versions}.",
    ]


def _shipped(cells: Path, given: argparse.Namespace) -> str:
    """Write counts of real cells over the genes of the shipped model, and return its name."""
    name = "default" if given.model is None else str(given.model)
    adata = scmm.datasets.immune_mini()[: given.shipped_cells]
    genes = scmm.load_model(name, device="cpu").genes.symbols
    place = pd.Index(adata.var_names).get_indexer(genes)
    counts = np.zeros((adata.n_obs, len(genes)), dtype=np.float32)
    counts[:, place >= 0] = adata.X[:, place[place >= 0]].toarray()
    save_npz(cells, csr_matrix(counts))
    return name


def _scgpt(folder: Path, cells: Path, given: argparse.Namespace) -> str:
    """Write a folder of scGPT with random weights and cells for it, and return its path."""
    written = folder / f"{given.layers}x{given.width}-{given.genes}"
    if not written.exists():
        write_scgpt(written, n_genes=given.genes, n_layers=given.layers, width=given.width)
    write_cells(
        cells,
        n_cells=given.scgpt_cells,
        n_genes=given.genes,
        expressed=given.expressed,
        seed=given.seed,
    )
    return str(written)


if __name__ == "__main__":
    main()
