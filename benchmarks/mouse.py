"""How right annotations of mouse cells are, which are read through their human orthologs.

`python benchmarks/mouse.py --data ../shared/data` annotates every data set of its folders whose genes
are those of a mouse, beside what else could be used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anndata as ad
import pandas as pd
from _confidence import GAPS
from _material import draw_training, must_draw, read_material, training_folder
from _methods import TRAINED, Setup
from _page import bullets, share, table
from _report import CLOSED, NAMES, closed_table, open_table
from _run import (
    add_markers,
    add_training,
    base_parser,
    check_packages,
    data_sets,
    describe_run,
    packages_of,
    save_parts,
    save_rows,
)
from annotate import PACKAGES, compare

from scmmgpt_tl.pp import match_genes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from _score import Row

    from scmmgpt_tl.pp import GeneReport

NAME = "mouse"
FOLDERS = ("", "tasks", "train")
METHODS = {
    "scmmgpt": NAMES["scmmgpt"],
    "capitals": "scmmgpt-tl, names in capitals",
    "logistic": NAMES["logistic"],
    "knn": NAMES["knn"],
    "markers": "human markers",
    "mouse_markers": "mouse markers",
}
NEEDED = PACKAGES | {"mouse_markers": PACKAGES["markers"]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    check_packages(packages_of(given.methods, NEEDED))
    setup = Setup(
        model=given.model,
        training=training_folder(given),
        markers=given.markers,
        sentences=given.out,
        n_genes=given.n_genes,
        max_iter=given.max_iter,
        epochs=0,
        seed=given.seed,
    )
    found = {path: read_report(path, setup) for path in data_sets(given, within=FOLDERS)}
    reports = {path: report for path, report in found.items() if report.species == "mouse"}
    if not reports:
        sys.exit(f"No data set in {given.data} has the genes of a mouse. Pass --data FOLDER.")
    if TRAINED & set(given.methods) and must_draw(given):
        draw_training(read_material(given.config, with_orthologs=True), given)
    rows: list[Row] = []
    for path in reports:
        rows += compare(path, setup, given)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), reports, given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add_training(parser)
    add_markers(parser)
    add = parser.add_argument
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    add("--n-genes", type=int, default=2000, help="most genes of the trained baselines")
    add("--max-iter", type=int, default=200, help="most iterations of the regression")
    parser.set_defaults(data=parser.get_default("data").parent, outsiders=0.0)
    return parser.parse_args(arguments)


def read_report(path: Path, setup: Setup) -> GeneReport:
    """Look at the genes of a data set alone."""
    return match_genes(ad.read_h5ad(path, backed="r"), genes=setup.genes())


def tables(
    results: pd.DataFrame, reports: Mapping[Path, GeneReport], *, facts: Sequence[str]
) -> list[str]:
    """Return facts, what of the genes is read, and one table a question."""
    return [
        bullets(facts),
        gene_table(reports),
        "Closed, macro-F1:",
        closed_table(results, what="macro_f1", names=METHODS),
        "Closed, accuracy:",
        closed_table(results, what="accuracy", names=METHODS),
        "Open:",
        open_table(results, names=METHODS),
        "What a stated chance is worth:",
        chance_table(results),
    ]


def gene_table(reports: Mapping[Path, GeneReport]) -> str:
    """One row a data set: how many of its genes are read, and how many of the model's that is."""
    rows = [
        [
            path.stem,
            f"{report.n_file:,}",
            f"{report.n_matched:,}",
            f"{report.n_covered:,} ({report.coverage:.0%})",
        ]
        for path, report in reports.items()
    ]
    return table(["data set", "genes", "with an ortholog the model knows", "of the model's"], rows)


def chance_table(results: pd.DataFrame) -> str:
    """One row a data set and method that states chances: the mean of these, and how far it is off."""
    rows = []
    known = results[
        results["setting"].isin([CLOSED, "open"]) & results["calibration_error"].notna()
    ]
    for (data_set, setting, method), part in known.groupby(
        ["data_set", "setting", "method"], sort=False
    ):
        gap = part[list(GAPS)].sum(axis=1, min_count=1).iloc[0]
        rows.append(
            [
                data_set,
                setting,
                METHODS[method],
                f"{gap:+.3f}",
                share(part["calibration_error"].iloc[0]),
            ]
        )
    return table(
        ["data set", "setting", "method", "chance less share of right answers", "ECE"], rows
    )


def write_results(
    results: pd.DataFrame, reports: Mapping[Path, GeneReport], given: argparse.Namespace
) -> None:
    """Write the tables."""
    facts = describe_run(given, packages_of(given.methods, NEEDED))
    save_parts(tables(results, reports, facts=facts), given, name=NAME)


if __name__ == "__main__":
    main()
