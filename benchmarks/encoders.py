"""How quick are published encoders here, beside the code they were published with?

Random weights at published size: speed and memory do not depend on the weights. Each way runs in a
process of its own; they take turns, so that what else the machine does meets all of them.
"""

from __future__ import annotations

import argparse
import platform
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from _encoder_folders import (
    write_cells,
    write_geneformer,
    write_langcell,
    write_scbert,
    write_scfoundation,
    write_scgpt,
)
from _page import bullets, table
from _run import add_output, machine, save_parts, save_rows, threads
from _waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAME = "encoders"
WORKER = Path(__file__).with_name("_encoder_worker.py")
WAYS = {
    "original": {"scgpt": "scGPT's own", "geneformer": "plain transformers"},
    "float32": "scmmgpt-tl, float32",
    "bfloat16": "scmmgpt-tl, bfloat16",
}


class Published(NamedTuple):
    """An encoder at its published size."""

    title: str
    write: Callable[..., None]  # a folder with random weights
    n_genes: int
    n_layers: int
    width: int
    cells: int = 32  # fewer where a cell takes seconds


KINDS = {
    "scgpt": Published("scGPT whole-human", write_scgpt, 60_694, 12, 512),
    "geneformer": Published("Geneformer V1, 12 layers", write_geneformer, 25_424, 12, 512),
    "langcell": Published("LangCell", write_langcell, 25_424, 12, 512),
    "scfoundation": Published("scFoundation", write_scfoundation, 19_264, 12, 768, cells=2),
    "scbert": Published("scBERT", write_scbert, 16_906, 6, 200, cells=1),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    rows = [row for kind in given.kinds for row in compare(kind, given)]
    results = pd.DataFrame(rows)
    save_rows(results, given, name=NAME)
    save_parts(tables(results, facts=facts(given)), given, name=NAME)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    add("--expressed", nargs="+", type=int, default=[800, 2000], help="median genes of a cell")
    add("--cells", type=int, help="by default 32, fewer where a cell takes seconds")
    add("--rounds", type=int, default=3)
    for name in ("layers", "width", "genes"):
        add(f"--{name}", type=int, help="by default as published")
    add("--seed", type=int, default=0)
    add_output(parser)
    return parser.parse_args(arguments)


def compare(kind: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Time all ways to embed by one encoder.

    Parameters
    ----------
    kind
        Key of `KINDS`.
    given
        Command line.
    """
    one = shape(kind, given)
    folder = given.out / f"{kind}-{one.n_layers}x{one.width}-{one.n_genes}"
    if not folder.exists():
        one.write(folder, n_genes=one.n_genes, n_layers=one.n_layers, width=one.width)
    rows = []
    for expressed in given.expressed:
        cells = given.out / f"{kind}-cells-{expressed}.npz"
        write_cells(
            cells, n_cells=one.cells, n_genes=one.n_genes, expressed=expressed, seed=given.seed
        )
        rows += [
            {"encoder": kind, "expressed": expressed, "cells": one.cells, **row}
            for row in take_turns(kind, folder, cells, given=given, n_cells=one.cells)
        ]
    return rows


def shape(kind: str, given: argparse.Namespace) -> Published:
    """Return an encoder at the size that the command line asks for."""
    told = {"n_genes": given.genes, "n_layers": given.layers, "width": given.width}
    told["cells"] = given.cells
    return KINDS[kind]._replace(**{name: value for name, value in told.items() if value})


def take_turns(
    kind: str, folder: Path, cells: Path, *, given: argparse.Namespace, n_cells: int
) -> list[dict[str, Any]]:
    """Let each way embed the cells in turn, several rounds."""
    ways = [way for way in given.ways if isinstance(WAYS[way], str) or kind in WAYS[way]]
    passes: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    rows = []
    with ExitStack() as stack:
        told = str(folder), str(cells)
        workers = {way: Waiting(stack, WORKER, f"{kind}/{way}", *told) for way in ways}
        for _ in range(given.rounds):
            for way, worker in workers.items():
                passes[way].append(worker.ask("go"))
                print(kind, way, passes[way][-1], flush=True)
        last = {way: worker.ask("end") for way, worker in workers.items()}
    vectors = {way: np.load(end["embeddings"]) for way, end in last.items()}
    for way, end in last.items():
        medians = pd.DataFrame(passes[way]).median()
        row = {"way": way, **medians, "peak_mib": end["peak"]}
        row["cells_per_second"] = n_cells / row["seconds"]
        row["cells_per_cpu_second"] = n_cells / row["cpu_seconds"]
        if "float32" in vectors:
            row["cosine"] = float(_cosines(vectors[way], vectors["float32"]).min())
        rows.append(row)
    return rows


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, and one table of all encoders."""
    rows = []
    for (kind, expressed), part in results.groupby(["encoder", "expressed"], sort=False):
        by_way = part.set_index("way")
        for way, row in by_way.iterrows():
            base = by_way.loc["original"] if "original" in by_way.index else None
            name = WAYS[way] if isinstance(WAYS[way], str) else WAYS[way][kind]
            rows.append(
                [
                    KINDS[kind].title,
                    f"{expressed:,}",
                    f"{row['cells']}",
                    name,
                    f"{row['cells_per_second']:.2f}",
                    _ratio(row, base, "cells_per_second"),
                    f"{row['cells_per_cpu_second']:.2f}",
                    _ratio(row, base, "cells_per_cpu_second"),
                    f"{row['peak_mib']:,.0f}",
                    _ratio(row, base, "peak_mib"),
                    f"{row['cosine']:.5f}" if pd.notna(row.get("cosine")) else "",
                ]
            )
    head = ["encoder", "genes a cell, median", "cells", "way", "cells/s, median", "ratio"]
    head += ["cells a CPU second", "ratio"]
    head += ["peak memory in MiB", "ratio", "lowest cosine with ours in float32"]
    return [bullets(facts), table(head, rows)]


def facts(given: argparse.Namespace) -> list[str]:
    """Say what was run, on what."""
    shapes = {kind: shape(kind, given) for kind in given.kinds}
    sizes = ", ".join(f"{one.title} {one.n_layers} x {one.width}" for one in shapes.values())
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    return [
        f"Layers x width: {sizes}; random weights, made-up cells, {given.rounds} rounds in turn.",
        f"Machine: {machine()}, threads: {threads()}; Python {platform.python_version()}, {versions}.",
        f"scmmgpt-tl {version('scmmgpt-tl')} beside scgpt {_version('scgpt')}.",
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _ratio(row: pd.Series, base: pd.Series | None, column: str) -> str:
    return "" if base is None else f"{row[column] / base[column]:.2f}"


def _cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (left * right).sum(1) / norms


if __name__ == "__main__":
    main()
