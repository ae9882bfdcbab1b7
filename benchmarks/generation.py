"""How real cells are that were generated from text.

`python benchmarks/generation.py --data ../shared/data/dev --out build/benchmarks` makes cells of
every type of every data set from its name, in its genes and at its depth, and compares them with
the real ones, beside what a mean profile and a conditional autoencoder make.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _cells_of_terms import FromProfiles, FromText, fit_vae
from _data import read_query, read_study
from _material import Training, draw_training, must_draw, read_material, training_folder
from _page import bullets, picture, share, table
from _panel import log_cp10k
from _pictures import dots, new_figure, save
from _realism import NEIGHBOURS, TOP, score_realism
from _run import (
    STATIC,
    add_training,
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
from scmmgpt_tl.tl._refinement.place import most_variable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from _cells_of_terms import Generator
    from _data import Study
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.train.material import Material

NAME = "generation"
PICTURE = "benchmark_generation.png"
CAPTION = "kNN accuracy and correlation of log-fold changes, by data set and method"
REAL = "real"
NAMES = {
    "scmmgpt": "scmmgpt-tl",
    "profile": "mean profile, Poisson",
    "vae": "conditional VAE (scvi-tools)",
    REAL: "other real cells",
}
METRICS = ("scikit-learn",)
PACKAGES = {"vae": ("scvi-tools",)}
COLUMNS = {
    **{f"knn_{k}": f"kNN accuracy, k={k}" for k in NEIGHBOURS},
    "mmd": "MMD²",
    "mean": "r of means",
    "change": "r of log-fold changes",
    "overlap": f"top {TOP} DE genes shared",
}
FEWEST_CELLS = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    paths = data_sets(given)
    packages = [*METRICS, *packages_of(given.methods, PACKAGES)]
    check_packages(packages)
    model = scmm.load_model(given.model or "default")
    material, training = read_sources(given, model)
    rows: list[dict[str, object]] = []
    for path in paths:
        study = read_study(path, max_cells=given.max_cells, seed=given.seed)
        rows += compare(study, model, given, material=material, training=training)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given, packages)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add_training(parser)
    add = parser.add_argument
    add("--methods", nargs="+", choices=NAMES, default=list(NAMES), metavar="METHOD")
    add("--n-genes", type=int, default=2000, help="genes that vary most among the real cells")
    add("--n-generated", type=int, default=100, help="cells to generate of each type")
    add("--epochs", type=int, default=20, help="epochs of the autoencoder")
    return parser.parse_args(arguments)


def read_sources(
    given: argparse.Namespace, model: Model
) -> tuple[Material | None, Training | None]:
    """Read what the methods learn from: what the model was trained on, and cells drawn from it."""
    trained = "vae" in given.methods
    drawn = trained and must_draw(given)
    material = read_material(given.config) if drawn or "profile" in given.methods else None
    if drawn:
        draw_training(material, given)
    training = Training.load(training_folder(given)).over(model.genes) if trained else None
    return material, training


def compare(
    study: Study,
    model: Model,
    given: argparse.Namespace,
    *,
    material: Material | None,
    training: Training | None,
) -> list[dict[str, object]]:
    """Score all methods on one study; none of its types may have too few cells.

    Parameters
    ----------
    study
        Its cells.
    model
        The model.
    given
        Command line.
    material, training
        What baselines learn from, `None` where there are none.
    """
    query = read_query(study, model.genes)
    columns = most_variable([log_cp10k(query.counts, query.measured).tocsr()], given.n_genes)
    counts = query.counts[:, columns].toarray().astype(np.float64)
    # The real cells that methods are compared with, and as many others, which show what can be had.
    tested, others = halves(study.terms(), counts, seed=given.seed)
    if len(tested) < 2:
        return []
    sizes = np.concatenate(list(tested.values())).sum(1)
    sizes = sizes[sizes > 0]
    rows: list[dict[str, object]] = []
    for method in given.methods:
        start = time.perf_counter()
        if method == REAL:
            made = others
        else:
            generator = open_method(
                method, model, columns, given=given, material=material, training=training
            )
            made = generate_all(generator, list(tested), sizes, given=given)
        row: dict[str, object] = {
            "data_set": study.name,
            "method": method,
            "types": len(tested),
            "cells": sum(map(len, tested.values())),
            "genes": len(columns),
            "seconds": time.perf_counter() - start,
        }
        row |= score_realism(tested, made, seed=given.seed)
        rows.append(row)
        numbers = "   ".join(f"{COLUMNS[name]} {row[name]:.3f}" for name in COLUMNS)
        print(f"{study.name:28} {method:8} {numbers}", flush=True)
    return rows


def open_method(
    method: str,
    model: Model,
    columns: NDArray[np.int64],
    *,
    given: argparse.Namespace,
    material: Material | None,
    training: Training | None,
) -> Generator:
    """Return what generates cells in these genes."""
    if method == "scmmgpt":
        return FromText(model, [model.genes.symbols[i] for i in columns])
    if method == "profile":
        assert material is not None
        place = {symbol: i for i, symbol in enumerate(material.genes.symbols)}
        own = np.array([place[model.genes.symbols[i]] for i in columns])
        return FromProfiles(material.profiles, own)
    assert training is not None
    return fit_vae(training, columns, epochs=given.epochs, seed=given.seed)


def generate_all(
    generator: Generator,
    terms: Sequence[str],
    sizes: NDArray[np.float64],
    *,
    given: argparse.Namespace,
) -> dict[str, NDArray[np.float64]]:
    """Generate cells of each term at depths of the real cells, whatever their type."""
    made = {}
    for i, term in enumerate(terms):
        rng = np.random.default_rng([given.seed, 13, i])
        made[term] = generator.generate(term, rng.choice(sizes, size=given.n_generated), rng)
    return made


def halves(
    terms: NDArray[np.str_], counts: NDArray[np.float64], *, seed: int
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Split the cells of each term that has enough of them in two."""
    rng = np.random.default_rng([seed, 14])
    tested, others = {}, {}
    for term in sorted(set(terms) - {""}):
        rows = rng.permutation(np.flatnonzero(terms == term))
        if len(rows) >= FEWEST_CELLS:
            tested[term], others[term] = (counts[part] for part in np.array_split(rows, 2))
    return tested, others


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, the means, and one table of all data sets."""
    mean = results.groupby("method")[list(COLUMNS)].mean()
    means = [
        [NAMES[name], *(share(mean.loc[name, what]) for what in COLUMNS)]
        for name in NAMES
        if name in mean.index
    ]
    rows = [
        [row.data_set, f"{row.cells:,}", str(row.types), f"{row.genes:,}", NAMES[row.method]]
        + [share(getattr(row, what)) for what in COLUMNS]
        for row in results.itertuples()
    ]
    return [
        bullets(facts),
        f"Means over {results['data_set'].nunique()} data sets:",
        table(["method", *COLUMNS.values()], means),
        table(["data set", "cells", "types", "genes", "method", *COLUMNS.values()], rows),
    ]


def write_results(
    results: pd.DataFrame, given: argparse.Namespace, packages: Sequence[str]
) -> None:
    """Write the tables and the picture."""
    facts = describe_run(given, packages)
    facts.append(
        f"{given.n_generated} cells generated of each type, in the {given.n_genes:,} genes that vary "
        "most among the real cells."
    )
    draw_picture(results, [folder / PICTURE for folder in picture_folders(given)])
    parts = [*tables(results, facts=facts), picture(CAPTION, STATIC / PICTURE)]
    save_parts(parts, given, name=NAME)


def draw_picture(results: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw accuracy and log-fold changes, one line a data set."""
    place = {name: i for i, name in enumerate(sorted(set(results["data_set"]), reverse=True))}
    figure = new_figure(9.5, 1.6 + 0.34 * len(place))
    left, right = figure.subplots(1, 2, sharey=True)
    dots(left, results, place=place, names=NAMES, what="knn_10")
    dots(right, results, place=place, names=NAMES, what="change")
    left.set(xlabel=COLUMNS["knn_10"], title="real cells by their nearest generated ones")
    right.set(xlabel=COLUMNS["change"], title="what sets a type apart")
    save(figure, paths)


if __name__ == "__main__":
    main()
