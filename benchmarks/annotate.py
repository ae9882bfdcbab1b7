"""How right annotations are, beside logistic regression and marker genes.

`python benchmarks/annotate.py --data ../shared/data/dev --out build/benchmarks` runs every method on
every data set of the folder, prints what it finds, and writes a CSV, the tables of
`docs/benchmarks.md` and a picture.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from _data import read_study
from _material import Training, draw
from _methods import METHODS, Setup
from _report import draw_picture, tables, write_page
from _score import Row, score_study
from _worker import Job, run_apart

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
PICTURE = Path("_static", "benchmark_annotate.png")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    paths = sorted(path for path in given.data.glob("*.h5ad") if wanted(path.stem, given.only))
    if not paths:
        sys.exit(f"There are no data sets in {given.data}. Pass --data FOLDER.")
    setup = Setup(
        model=given.model,
        training=given.out / "training_cells",
        markers=given.markers,
        n_genes=given.n_genes,
        max_iter=given.max_iter,
    )
    if "logistic" in given.methods and not (given.reuse and setup.training.exists()):
        draw_training(given.config, setup.training, per_type=given.cells_per_type, seed=given.seed)
    rows: list[Row] = []
    for path in paths:
        rows += compare(path, setup, given)
        results = pd.DataFrame(rows)
        # After each data set, so that a run cut short leaves what it found.
        results.to_csv(given.out / "annotate.csv", index=False, float_format="%.6g")
    write_results(results, given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    data = Path(os.environ.get("SCMM_BENCH_DATA", SHARED / "data"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, default=data / "dev", help="folder of labelled .h5ad files")
    add("--out", type=Path, default=ROOT / "build" / "benchmarks", help="folder for the results")
    add("--model", type=Path, help="bundle folder; by default the model that ships")
    add(
        "--config",
        type=Path,
        default=ROOT / "benchmarks" / "training" / "default.yaml",
        help="training run that the model comes from; the baselines train on its sources",
    )
    add(
        "--markers",
        type=Path,
        default=SHARED / "assets" / "cell_type_markers.csv.gz",
        help="table of marker genes",
    )
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    add("--only", nargs="+", metavar="NAME", help="data sets to run, by the start of their name")
    add("--max-cells", type=int, default=2000, help="most cells of a data set")
    add("--cells-per-type", type=int, default=60, help="training cells, in the mean over types")
    add("--n-genes", type=int, default=2000, help="most genes of the regression")
    add("--max-iter", type=int, default=200, help="most iterations of the regression")
    add("--seed", type=int, default=0)
    add("--reuse", action="store_true", help="use training cells that were drawn before")
    add("--docs", type=Path, default=ROOT / "docs", help="where benchmarks.md lies")
    add("--no-docs", action="store_true", help="leave the documentation as it is")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    return given


def wanted(name: str, only: Sequence[str] | None) -> bool:
    """Whether a data set is to be run."""
    return only is None or name.startswith(tuple(only))


def draw_training(config: Path, folder: Path, *, per_type: int, seed: int) -> None:
    """Draw the training cells of the baselines from the sources of a training run."""
    # Training is an extra of its own; with cells at hand the benchmark runs without it.
    from scmmgpt_tl.train.config import RunConfig
    from scmmgpt_tl.train.material import prepare

    print(f"Drawing training cells from the sources of {config}", flush=True)
    # Without curated markers: their types would only be classes that the regression confuses.
    material = prepare(replace(RunConfig.read(config), markers=None))
    n_cells = per_type * len(material.types)
    draw(material.source, material.genes, n_cells=n_cells, seed=seed).save(folder)


def compare(path: Path, setup: Setup, given: argparse.Namespace) -> list[Row]:
    """Run all methods on one data set, each in a process of its own."""
    study = read_study(path, max_cells=given.max_cells, seed=given.seed)
    rows = []
    for method in given.methods:
        job = Job(method, path, given.max_cells, given.seed, setup)
        answers, peak = run_apart(job, given.out / "answers")
        run = {
            "data_set": study.name,
            "method": method,
            "n_labelled": study.n_labelled,
            "counts": study.counts,
            "cells_per_second": study.adata.n_obs / answers.seconds,
            "training_seconds": answers.training_seconds,
            "peak_mib": peak,
        }
        rows += [run | row for row in score_study(study, answers, seed=given.seed)]
        report(rows[-1]["data_set"], [row for row in rows if row["method"] == method])
    return rows


def report(name: str, rows: Sequence[Row]) -> None:
    """Print what one method reached on one data set."""
    for row in rows:
        more = f"   consistent {row['consistent']:.3f}" if "consistent" in row else " " * 19
        print(
            f"{name:28} {row['method']:9} {row['setting']:16} accuracy {row['accuracy']:.3f}"
            f"   macro-F1 {row['macro_f1']:.3f}{more}   unknown {row['unknown']:.3f}"
            f"   {row['cells_per_second']:7.0f} cells/s   {row['peak_mib']:6.0f} MiB",
            flush=True,
        )


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the tables and the picture, into the documentation unless told otherwise."""
    facts = describe_run(given)
    text = "\n\n".join(tables(results, facts=facts))
    (given.out / "annotate.md").write_text(text + "\n", encoding="utf-8")
    draw_picture(results, given.out / PICTURE.name)
    if not given.no_docs:
        draw_picture(results, given.docs / PICTURE)
        write_page(given.docs / "benchmarks.md", results, facts=facts, picture=PICTURE.as_posix())
    print(f"\n{text}\n\nWrote {given.out / 'annotate.csv'}")


def describe_run(given: argparse.Namespace) -> list[str]:
    """Say what was run, on what, with which seed."""
    folder = given.model or Path(scmm.__file__).parent / "models" / "default"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    model = f"{config['name']}, revision {config['revision']}"
    cells = f"at most {given.max_cells:,} of each data set, chosen with seed {given.seed}"
    machine = f"{os.cpu_count()} CPUs ({platform.machine()}), threads: {threads}"
    facts = [
        f"Model: {model}; scmmgpt-tl {version('scmmgpt-tl')}.",
        f"Cells: {cells}; those that the data set calls unknown are left out.",
        f"Machine: {machine}; Python {platform.python_version()}, torch {version('torch')}.",
    ]
    if "logistic" in given.methods:
        n = Training.load(given.out / "training_cells").expression.shape[0]
        facts.append(
            f"Logistic regression: scikit-learn {version('scikit-learn')}, {n:,} training cells, "
            f"at most {given.n_genes:,} genes and {given.max_iter} iterations."
        )
    if "markers" in given.methods:
        facts.append(f"Marker scoring: decoupler {version('decoupler')}, {given.markers.name}.")
    return facts


if __name__ == "__main__":
    main()
