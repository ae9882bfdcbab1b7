"""How quickly do counts become tokens, beside the code that encoders were published with?

Made-up cells; each way takes its turn in one process and thread, and the median round counts.
"""

from __future__ import annotations

import argparse
import platform
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from _encoder_folders import write_cells
from _other_tokenizers import (
    CLS,
    FIRST,
    MAX_LENGTH,
    PAD,
    PAD_VALUE,
    GeneformerLike,
    ScGPTCollator,
)
from _page import bullets, table
from _run import add_output, machine, save_parts, save_rows
from scipy.sparse import csr_matrix, load_npz

from scmmgpt_tl.model.encoders.scgpt.tokenizer import ScGPTTokenizer
from scmmgpt_tl.model.rank_tokenizer import RankTokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAME = "tokens"
TITLES = {"scgpt": "scGPT", "geneformer": "Geneformer"}
NAMES = {
    "scgpt": {"original": "collator of scgpt", "ours": "scmmgpt-tl"},
    "geneformer": {"original": "cell by cell, as Geneformer does", "ours": "scmmgpt-tl"},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rows = [row for expressed in given.expressed for row in compare(expressed, given)]
    results = pd.DataFrame(rows)
    save_rows(results, given, name=NAME)
    save_parts(tables(results, facts=facts(given)), given, name=NAME)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--kinds", nargs="+", choices=TITLES, default=list(TITLES))
    add(
        "--expressed", nargs="+", type=int, default=[800, 1500, 3000], help="median genes of a cell"
    )
    add("--cells", type=int, default=1024)
    add("--genes", type=int, default=20_000)
    add("--batch", type=int, default=64)
    add("--rounds", type=int, default=7)
    add("--seed", type=int, default=0)
    add_output(parser)
    return parser.parse_args(arguments)


def compare(expressed: int, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Time all ways on cells of one size.

    Parameters
    ----------
    expressed
        Median genes of a cell.
    given
        Command line.
    """
    path = given.out / f"{NAME}-{expressed}.npz"
    write_cells(
        path, n_cells=given.cells, n_genes=given.genes, expressed=expressed, seed=given.seed
    )
    cells = csr_matrix(load_npz(path))
    batches = [cells[start : start + given.batch] for start in range(0, given.cells, given.batch)]
    ways = {
        (kind, way): tokenize
        for kind in given.kinds
        for way, tokenize in open_ways(kind, given).items()
    }
    for tokenize in ways.values():
        # Compiles.
        tokenize(batches[0])
    seconds = pd.DataFrame(
        [
            {way: _seconds(tokenize, batches) for way, tokenize in ways.items()}
            for _ in range(given.rounds)
        ]
    ).median()
    return [
        {"encoder": kind, "way": way, "expressed": expressed, "cells_per_second": given.cells / s}
        for (kind, way), s in seconds.items()
    ]


def open_ways(kind: str, given: argparse.Namespace) -> dict[str, Callable[[csr_matrix], object]]:
    """Return what makes the tokens of one encoder, padded where the published code pads them."""
    tokens = np.arange(given.genes) + FIRST
    if kind == "scgpt":
        own = ScGPTTokenizer(tokens, CLS, PAD_VALUE, max_length=MAX_LENGTH[kind])
        padding = {"pad_id": PAD, "pad_value": PAD_VALUE}
        return {
            "original": ScGPTCollator(given.genes),
            "ours": lambda rows: own(rows).rectangle(**padding),
        }
    medians = np.random.default_rng(given.seed).gamma(2.0, size=given.genes) + 0.1
    ranks = RankTokenizer(tokens, medians, None, None, max_length=MAX_LENGTH[kind])
    return {"original": GeneformerLike(medians), "ours": ranks}


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, and one table of all ways."""
    rows = []
    for (kind, expressed), part in results.groupby(["encoder", "expressed"], sort=False):
        speed = part.set_index("way")["cells_per_second"]
        rows += [
            [
                TITLES[kind],
                f"{expressed:,}",
                name,
                f"{speed[way]:,.0f}",
                f"{speed[way] / speed['original']:.1f}",
            ]
            for way, name in NAMES[kind].items()
        ]
    head = ["encoder", "genes a cell, median", "way", "cells a second of the CPU", "ratio"]
    return [bullets(facts), table(head, rows)]


def facts(given: argparse.Namespace) -> list[str]:
    """Say what was run, on what."""
    cells = f"{given.cells:,} made-up cells of {given.genes:,} genes, in batches of {given.batch}"
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "torch"))
    return [
        f"{cells}; {given.rounds} rounds in turn, one thread.",
        f"Machine: {machine()}; Python {platform.python_version()}, {versions}.",
    ]


def _seconds(tokenize: Callable[[csr_matrix], object], batches: Sequence[csr_matrix]) -> float:
    """Seconds of the CPU that all batches take."""
    start = time.process_time()
    for rows in batches:
        tokenize(rows)
    return time.process_time() - start


if __name__ == "__main__":
    main()
