"""How well `X_scmm` clusters cell types and mixes batches.

`python benchmarks/embedding.py --data ../shared/data/dev --out build/benchmarks` compares it with
principal components, Harmony and scVI, which are fitted to each data set and, but for the first,
are told its batches. `X_scmm` sees one cell at a time.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from _data import read_study
from _integration import by_harmony, by_model, by_pca, by_scvi
from _mixing import batches_of, score_batches, score_types
from _page import bullets, picture, share, table
from _pictures import dots, new_figure, save
from _run import (
    STATIC,
    base_parser,
    check_packages,
    data_sets,
    describe_run,
    packages_of,
    picture_folders,
    save_parts,
    save_rows,
)

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from _data import Study
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

    Embedder = Callable[[Study, NDArray[np.str_] | None], NDArray[np.floating] | None]

NAME = "embedding"
PICTURE = "benchmark_embedding.png"
CAPTION = "AvgBIO and AvgBATCH of embeddings, by data set and method"
NAMES = {"scmmgpt": "scmmgpt-tl", "pca": "PCA", "harmony": "Harmony", "scvi": "scVI"}
NEEDS_BATCHES = frozenset({"harmony"})
METRICS = ("scib-metrics",)
PACKAGES = {"pca": ("scanpy",), "harmony": ("harmonypy",), "scvi": ("scvi-tools",)}
COLUMNS = {
    "nmi": "NMI",
    "ari": "ARI",
    "silhouette": "ASW, type",
    "avg_bio": "AvgBIO",
    "silhouette_batch": "ASW, batch",
    "connectivity": "graph connectivity",
    "avg_batch": "AvgBATCH",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    paths = data_sets(given)
    check_packages([*METRICS, *packages_of(given.methods, PACKAGES)])
    model = scmm.load_model(given.model or "default")
    rows = []
    for path in paths:
        study = read_study(path, max_cells=given.max_cells, seed=given.seed)
        rows += compare(study, open_methods(given, model), batch=batches_of(study))
        save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add = parser.add_argument
    add("--methods", nargs="+", choices=NAMES, default=list(NAMES))
    add("--epochs", type=int, default=200, help="most epochs of scVI")
    return parser.parse_args(arguments)


def open_methods(given: argparse.Namespace, model: Model) -> dict[str, Embedder]:
    """Return what embeds a study, by the name of the method."""
    scvi = partial(by_scvi, model=model, epochs=given.epochs, seed=given.seed)
    ways: dict[str, Embedder] = {
        "scmmgpt": lambda study, _: by_model(study, model=model),
        "pca": lambda study, _: by_pca(study, model=model, seed=given.seed),
        "harmony": partial(by_harmony, model=model, seed=given.seed),
        "scvi": scvi,
    }
    return {name: ways[name] for name in given.methods}


def compare(
    study: Study, methods: dict[str, Embedder], *, batch: NDArray[np.str_] | None
) -> list[dict[str, object]]:
    """Score all methods on one study.

    Parameters
    ----------
    study
        Its cells.
    methods
        What embeds them, or says that it cannot; those that correct for batches are left out where
        there are none.
    batch
        Batch of each cell, where they are to be mixed.
    """
    import numpy as np

    labels = np.array(study.labels)[study.truth]
    rows: list[dict[str, object]] = []
    for method, embed in methods.items():
        if batch is None and method in NEEDS_BATCHES:
            continue
        start = time.perf_counter()
        vectors = embed(study, batch)
        if vectors is None:
            print(f"{study.name:36} {method:14} has nothing to go by", flush=True)
            continue
        row: dict[str, object] = {
            "data_set": study.name,
            "method": method,
            "cells": len(labels),
            "labels": len(study.labels),
            "batches": 1 if batch is None else len(set(batch)),
            "seconds": time.perf_counter() - start,
        }
        row |= score_types(vectors, labels)
        if batch is not None:
            row |= score_batches(vectors, labels, batch)
        rows.append(row)
        numbers = "   ".join(f"{COLUMNS[name]} {row[name]:.3f}" for name in COLUMNS if name in row)
        print(f"{study.name:36} {method:14} {numbers}   {row['seconds']:.1f} s", flush=True)
    return rows


def tables(
    results: pd.DataFrame,
    *,
    facts: Sequence[str],
    names: Mapping[str, str] = NAMES,
    parts: Mapping[str, pd.Series] | None = None,
) -> list[str]:
    """Return facts, the means, and one table of all data sets.

    Means of batch mixing, and of the methods that need batches, are over data sets with batches.

    Parameters
    ----------
    results
        Rows of the scores.
    facts
        Of the run.
    names
        Methods in order, and what they are called.
    parts
        Which rows a mean is over; by default all, and those with batches.
    """
    known = results.reindex(columns=[*results, *(set(COLUMNS) - set(results))])
    rows = [
        [row.data_set, f"{row.cells:,}", str(row.labels), str(row.batches), names[row.method]]
        + [share(getattr(row, what)) for what in COLUMNS]
        for row in known.itertuples()
    ]
    head = ["data set", "cells", "labels", "batches", "method", *COLUMNS.values()]
    means = []
    every = pd.Series(data=True, index=known.index)
    parts = parts or {"all": every, "with batches": known["batches"] > 1}
    for title, rows_of in parts.items():
        mean = known[rows_of].groupby("method")[list(COLUMNS)].mean()
        means += [
            [title, names[name], *(share(mean.loc[name, what]) for what in COLUMNS)]
            for name in names
            if name in mean.index
        ]
    return [
        bullets(facts),
        "Means over data sets:",
        table(["data sets", "method", *COLUMNS.values()], means),
        table(head, rows),
    ]


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the tables and the picture."""
    facts = describe_run(given, [*METRICS, *packages_of(given.methods, PACKAGES)])
    facts.append("AvgBIO: mean of NMI, ARI (Leiden, best resolution) and silhouette of types.")
    facts.append("AvgBATCH: mean of silhouette of batches and graph connectivity.")
    draw_picture(results, [folder / PICTURE for folder in picture_folders(given)])
    parts = [*tables(results, facts=facts), picture(CAPTION, STATIC / PICTURE)]
    save_parts(parts, given, name=NAME)


def draw_picture(
    results: pd.DataFrame, paths: Sequence[Path], *, names: Mapping[str, str] = NAMES
) -> None:
    """Draw both means, one line a data set."""
    place = {name: i for i, name in enumerate(sorted(set(results["data_set"]), reverse=True))}
    figure = new_figure(9.5, 1.6 + 0.075 * len(names) * len(place))
    left, right = figure.subplots(1, 2, sharey=True)
    dots(left, results, place=place, names=names, what="avg_bio")
    left.set(xlabel="AvgBIO", title="cell types apart")
    if "avg_batch" in results:
        with_batches = results[results["avg_batch"].notna()]
        dots(right, with_batches, place=place, names=names, what="avg_batch")
    right.set(xlabel="AvgBATCH", title="batches mixed")
    save(figure, paths)


if __name__ == "__main__":
    main()
