"""How right annotations are, and how sure of themselves, beside what else could be used.

`python benchmarks/annotate.py --data ../shared/data/dev --out build/benchmarks` runs every method on
every data set of the folder, prints what it finds, and writes a CSV, the tables of
`docs/benchmarks.md` and pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from _data import Study, read_study
from _material import Training, draw_training, must_draw, read_material, training_folder
from _methods import TRAINED, Setup
from _page import picture
from _report import NAMES, draw_confidence, draw_scores, tables
from _run import (
    STATIC,
    add_markers,
    add_sentences,
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
from _score import Row, score_study
from _worker import Job, run_apart

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

NAME = "annotate"
SCORES, CONFIDENCE = "benchmark_annotate.png", "benchmark_confidence.png"
SCORES_CAPTION = (
    "Macro-F1 with the labels given, and consistent answers without, by data set and method"
)
CONFIDENCE_CAPTION = "Share of wrong answers among the most certain ones, by method"
PACKAGES = {
    "celltypist": ("celltypist", "scikit-learn"),
    "logistic": ("scikit-learn",),
    "knn": ("scikit-learn",),
    "scanvi": ("scvi-tools",),
    "markers": ("decoupler",),
    "sentences": ("transformers",),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    paths = data_sets(given)
    check_packages(packages_of(given.methods, PACKAGES))
    setup = Setup(
        model=given.model,
        training=training_folder(given),
        markers=given.markers,
        sentences=given.sentences,
        n_genes=given.n_genes,
        max_iter=given.max_iter,
        epochs=given.epochs,
        seed=given.seed,
    )
    if TRAINED & set(given.methods) and must_draw(given):
        draw_training(read_material(given.config), given)
    rows: list[Row] = []
    for path in paths:
        rows += compare(path, setup, given)
        # After each data set, so that a run cut short leaves what it found.
        save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add_training(parser)
    add_markers(parser)
    add_sentences(parser)
    add = parser.add_argument
    add("--methods", nargs="+", choices=NAMES, default=list(NAMES), metavar="METHOD")
    add("--n-genes", type=int, default=2000, help="most genes of the trained baselines")
    add("--max-iter", type=int, default=200, help="most iterations of the regressions")
    add("--epochs", type=int, default=20, help="epochs of scVI before scANVI, and of mapping")
    add(
        "--outsiders",
        type=float,
        default=0.1,
        help="doublets, and empty droplets, to make for each cell",
    )
    return parser.parse_args(arguments)


def compare(path: Path, setup: Setup, given: argparse.Namespace) -> list[Row]:
    """Run all methods on one data set, each in a process of its own."""
    study = read_study(path, max_cells=given.max_cells, seed=given.seed, outsiders=given.outsiders)
    covered = setup.terms()
    rows = []
    for method in given.methods:
        job = Job(method, path, given.max_cells, given.seed, given.outsiders, setup)
        answers, peak = run_apart(job, given.out / "answers")
        run = {
            "data_set": study.name,
            "method": method,
            "technology": _most(study, "assay"),
            "tissue": _most(study, "tissue"),
            "n_labelled": study.n_labelled,
            "counts": study.counts,
            "cells_per_second": study.adata.n_obs / answers.seconds,
            "training_seconds": answers.training_seconds,
            "peak_mib": peak,
        }
        scored = score_study(study, answers, seed=given.seed, covered=covered)
        rows += [run | row for row in scored]
        report(study.name, rows[-len(scored) :])
    return rows


def report(name: str, rows: Sequence[Row]) -> None:
    """Print what one method reached on one data set."""
    for row in rows:
        more = f"   consistent {row['consistent']:.3f}" if "consistent" in row else " " * 19
        print(
            f"{name:28} {row['method']:10} {row['setting']:16} accuracy {row['accuracy']:.3f}"
            f"   macro-F1 {row['macro_f1']:.3f}{more}   unknown {row['unknown']:.3f}"
            f"   {row['cells_per_second']:7.0f} cells/s   {row['peak_mib']:6.0f} MiB",
            flush=True,
        )


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the tables and the pictures."""
    facts = describe_run(given, packages_of(given.methods, PACKAGES))
    if TRAINED & set(given.methods):
        n = Training.load(training_folder(given)).expression.shape[0]
        facts.append(
            f"Trained baselines: {n:,} training cells, at most {given.n_genes:,} genes; regressions "
            f"{given.max_iter} iterations, scVI before scANVI {given.epochs} epochs."
        )
    folders = picture_folders(given)
    draw_scores(results, [folder / SCORES for folder in folders])
    draw_confidence(results, [folder / CONFIDENCE for folder in folders])
    pictures = [
        picture(SCORES_CAPTION, STATIC / SCORES),
        picture(CONFIDENCE_CAPTION, STATIC / CONFIDENCE),
    ]
    save_parts([*tables(results, facts=facts), *pictures], given, name=NAME)


def _most(study: Study, column: str) -> str:
    """Value that most cells of a study have, `""` where it does not say."""
    if column not in study.adata.obs:
        return ""
    return str(study.adata.obs[column].mode().iloc[0])


if __name__ == "__main__":
    main()
