"""What is left of batches, and of cell types, after they are brought together.

`python benchmarks/integrate.py --data ../shared/data --out build/benchmarks` integrates data sets
with several batches, each as it is and once more with types held back from some of its batches.
Labels that a method is shown are what the model says of the cells; the true ones only score.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from _data import read_study
from _integration import (
    by_batch_means,
    by_harmony,
    by_harmony_on_both,
    by_integrating,
    by_pca,
    by_scvi,
)
from _joined import JOINED, hold_back, join
from _mixing import batches_of
from _page import picture
from _run import (
    STATIC,
    base_parser,
    check_packages,
    describe_run,
    is_wanted,
    packages_of,
    picture_folders,
    save_parts,
    save_rows,
)
from embedding import METRICS, compare, draw_picture, tables

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from _data import Study
    from embedding import Embedder

    from scmmgpt_tl.model import Model

NAME = "integrate"
PICTURE = "benchmark_integrate.png"
CAPTION = "AvgBIO and AvgBATCH after integration, by data set and method"
FILES = (
    "dev/brain_sacc_lieber500",
    "dev/fetal_brain_braun",
    "dev/oligodendroglioma_tirosh184",
    "tasks/cellbench_mixology",
    "tasks/kang_ifnb_harmony",
    "tasks/kang_ifnb_scgen_valid",
)
NAMES = {
    "pca": "PCA",
    "harmony": "Harmony",
    "harmony_both": "Harmony beside X_scmm",
    "scvi": "scVI",
    "means": "linear, one label for all",
    "linear": "integrate, linear",
    "linear_named": "integrate, linear, labels named",
    "scanvi_latent": "scANVI from the model's labels",
    "scanvi_named": "integrate, scANVI, labels named",
}
PACKAGES = {
    "harmony": ("harmonypy",),
    "harmony_both": ("harmonypy",),
    "scvi": ("scvi-tools",),
    "scanvi_latent": ("scvi-tools",),
    "scanvi_named": ("scvi-tools",),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    check_packages([*METRICS, *packages_of(given.methods, PACKAGES)])
    given.out.mkdir(parents=True, exist_ok=True)
    model = scmm.load_model(given.model or "default")
    rows: list[dict[str, object]] = []
    for study in studies(given):
        batch = batches_of(study)
        if batch is None:
            print(f"{study.name}: no types are in several batches", flush=True)
            continue
        for part, of in ((study, batch), hold_back(study, batch, seed=given.seed)):
            rows += compare(part, open_methods(given, model), batch=of)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add = parser.add_argument
    add("--methods", nargs="+", choices=NAMES, default=list(NAMES))
    add("--epochs", type=int, default=200, help="epochs of scVI, before scANVI as well")
    parser.set_defaults(data=parser.get_default("data").parent)
    return parser.parse_args(arguments)


def studies(given: argparse.Namespace) -> Iterator[Study]:
    """Read the data sets one after another."""
    if not given.data.is_dir():
        sys.exit(f"There are no data sets in {given.data}. Pass --data FOLDER.")
    how = {"max_cells": given.max_cells, "seed": given.seed}
    for name in FILES:
        if is_wanted(Path(name).name, given.only):
            yield read_study(given.data / f"{name}.h5ad", **how)
    for name in JOINED:
        if is_wanted(name, given.only):
            yield join(given.data / "dev", given.out, name, **how)


def open_methods(given: argparse.Namespace, model: Model) -> dict[str, Embedder]:
    """Return what integrates a study, by the name of the method."""
    scanvi = partial(
        by_integrating,
        model=model,
        named=True,
        method="scanvi",
        max_epochs=given.epochs,
        rng=given.seed,
    )
    ways: dict[str, Embedder] = {
        "pca": lambda study, _: by_pca(study, model=model, seed=given.seed),
        "harmony": partial(by_harmony, model=model, seed=given.seed),
        "harmony_both": partial(by_harmony_on_both, model=model, seed=given.seed),
        "scvi": partial(by_scvi, model=model, epochs=given.epochs, seed=given.seed),
        "means": partial(by_batch_means, model=model),
        "linear": partial(by_integrating, model=model),
        "linear_named": partial(by_integrating, model=model, named=True),
        "scanvi_latent": partial(scanvi, slot="X_scmm_integrated_latent"),
        "scanvi_named": scanvi,
    }
    return {name: ways[name] for name in given.methods}


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the tables and the picture."""
    facts = describe_run(given, [*METRICS, *packages_of(given.methods, PACKAGES)])
    facts.append("Uneven: each batch keeps a tenth of the cells of every second type.")
    facts.append("Labels named: the model chooses among the names of the data set's labels.")
    facts.append(f"scVI: {given.epochs} epochs; scANVI goes on as scvi-tools has it by default.")
    written = tables(results, facts=facts, names=NAMES, parts=parts_of(results))
    draw_picture(results, [folder / PICTURE for folder in picture_folders(given)], names=NAMES)
    save_parts([*written, picture(CAPTION, STATIC / PICTURE)], given, name=NAME)


def parts_of(results: pd.DataFrame) -> dict[str, pd.Series]:
    """Return which rows the means are over: where scANVI lacks labels, also those where it has some.

    Parameters
    ----------
    results
        Rows of the scores.
    """
    name = results["data_set"]
    uneven = name.str.endswith(", uneven")
    parts = {"as they are": ~uneven, "uneven": uneven}
    seeded = name.isin(name[results["method"] == "scanvi_named"])
    if seeded.any() and not seeded.all():
        parts |= {f"{title}, sure labels": rows & seeded for title, rows in parts.items()}
    return parts


if __name__ == "__main__":
    main()
