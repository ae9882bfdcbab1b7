"""How well it is predicted what a perturbation changes.

`python benchmarks/perturb.py --data ../shared/data/tasks --out build/benchmarks` holds out each cell
type of Kang's interferon-beta experiment and each target of Papalexi's knock-outs in turn, predicts
what changes there, and asks what genes changed in the counts of cells have to do with knock-outs.
"""

from __future__ import annotations

import time
import warnings
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from _held_out import TASKS, TOP, folds, read_experiment, score, truth
from _intervals import mean_interval
from _knock_outs import compare_knock_outs
from _page import bullets, picture, share, table
from _pictures import dots, new_figure, save
from _run import (
    STATIC,
    base_parser,
    check_packages,
    describe_run,
    packages_of,
    picture_folders,
    save_parts,
    save_rows,
)
from _shift_methods import from_text, learned, linear, mean_shift, no_shift, vae

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from _held_out import Experiment

NAME, KNOCK_OUTS = "perturb", "perturb_knock_outs"
PICTURE = "benchmark_perturb.png"
CAPTION = "Correlation of predicted and measured shifts, by what was held out and method"
NAMES = {
    "learned": "scmmgpt-tl, learned",
    "text": "scmmgpt-tl, from text alone",
    "control": "mean of controls",
    "mean": "mean shift",
    "linear": "linear on gene embeddings",
    "vae": "scGEN-like VAE (scvi-tools)",
}
PACKAGES = {"learned": ("scikit-learn",), "linear": ("scikit-learn",), "vae": ("scvi-tools",)}
COLUMNS = {
    "r_expression": "r of expression",
    "r_shift": "r of shift",
    "r_shift_top": f"r of shift, top {TOP} DE",
    "mse_top": f"MSE, top {TOP} DE",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    packages = packages_of(given.methods, PACKAGES)
    check_packages(packages)
    given.out.mkdir(parents=True, exist_ok=True)
    model = scmm.load_model(given.model or "default")
    rows, changed = (read_rows(given, name) for name in (NAME, KNOCK_OUTS))
    for task in TASKS:
        if given.only and not task.file.startswith(tuple(given.only)):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            experiment = read_experiment(
                given.data, task, model, max_cells=given.max_cells, seed=given.seed
            )
            compare(experiment, given, rows)
            if task.question == "perturbation" and not changed:
                changed = compare_knock_outs(experiment)
                save_rows(pd.DataFrame(changed), given, name=KNOCK_OUTS)
    write_results(pd.DataFrame(rows), pd.DataFrame(changed), given=given, packages=packages)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    parser.set_defaults(data=parser.get_default("data").parent / "tasks", max_cells=400)
    add = parser.add_argument
    add("--methods", nargs="+", choices=NAMES, default=list(NAMES), metavar="METHOD")
    add("--steps", type=int, default=1000, help="training steps of the autoencoder")
    add("--resume", action="store_true", help="keep the rows in --out, and run what they lack")
    return parser.parse_args(arguments)


def read_rows(given: argparse.Namespace, name: str) -> list[dict[str, object]]:
    """Read what an earlier run, with the same options, has left."""
    path = given.out / f"{name}.csv"
    return pd.read_csv(path).to_dict("records") if given.resume and path.is_file() else []


def compare(
    experiment: Experiment, given: argparse.Namespace, rows: list[dict[str, object]]
) -> None:
    """Score all methods on everything that is held out, and add their rows."""
    keys = ("data_set", "perturbation", "group", "method")
    there = {tuple(row[key] for key in keys) for row in rows}
    methods: dict[str, Callable] = {
        "learned": learned,
        "text": from_text,
        "control": no_shift,
        "mean": mean_shift,
        "linear": linear,
        "vae": partial(vae, steps=given.steps, seed=given.seed),
    }
    compared = experiment.compared
    for fold in folds(experiment):
        measured = truth(experiment, fold)
        for method in given.methods:
            row = {
                "data_set": experiment.task.file,
                "held_out": fold.name,
                "perturbation": compared.names[fold.perturbation],
                "group": compared.groups[fold.group],
                "cells": int(compared.n_cells[fold.perturbation, fold.group]),
                "genes": len(experiment.genes),
                "method": method,
            }
            if tuple(row[key] for key in keys) in there:
                continue
            start = time.perf_counter()
            shift = methods[method](experiment, fold)
            found = score(shift, measured, control=compared.control[fold.group])
            rows.append(row | found | {"seconds": time.perf_counter() - start})
            save_rows(pd.DataFrame(rows), given, name=NAME)
            numbers = "   ".join(f"{COLUMNS[name]} {found[name]:.3f}" for name in COLUMNS)
            print(f"{fold.name:26} {method:8} {numbers}", flush=True)


def tables(results: pd.DataFrame, changed: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, means with intervals, and all that was held out."""
    parts = [bullets(facts)]
    for name, own in results.groupby("data_set", sort=False):
        n = own["held_out"].nunique()
        parts += [f"`{name}`, means over {n} held out, with 95 % intervals:", mean_table(own)]
    if len(changed):
        parts += [
            "Genes taken out of the counts, beside cells that lost them:",
            knock_table(changed),
        ]
    return [*parts, "Correlation of shifts, everything that was held out:", whole_table(results)]


def mean_table(own: pd.DataFrame) -> str:
    """One row a method; intervals are over what was held out."""
    methods = [name for name in NAMES if name in set(own["method"])]
    r = own.pivot_table("r_shift", "held_out", "method").reindex(columns=methods)
    rows = []
    for method in methods:
        found = own[own["method"] == method]
        ahead = ""
        if "mean" in r and method not in {"mean", "control"}:
            ahead = f"{int((r[method] > r['mean']).sum())} of {len(r)}"
        rows.append([NAMES[method], *(interval(found[name]) for name in COLUMNS), ahead])
    return table(["method", *COLUMNS.values(), "r of shift above mean shift"], rows)


def interval(values: pd.Series) -> str:
    """Write a mean with the interval of resampled means, nothing where there is no value."""
    known = values.dropna().to_numpy()
    if not known.size:
        return ""
    low, high = mean_interval(known)
    return f"{known.mean():.3f} ({low:.3f} – {high:.3f})"


def knock_table(changed: pd.DataFrame) -> str:
    """One row a gene, and the mean."""
    names = {
        "own": "r with its own knock-out",
        "others": "with other knock-outs",
        "own_rest": "own, transcript hidden",
        "others_rest": "others, transcript hidden",
    }
    rows = [
        [row.gene, *(share(getattr(row, name)) for name in names)] for row in changed.itertuples()
    ]
    rows.append(["**mean**", *(share(changed[name].mean()) for name in names)])
    return table(["gene", *names.values()], rows)


def whole_table(results: pd.DataFrame) -> str:
    """One row for all that was held out, one column a method."""
    methods = [name for name in NAMES if name in set(results["method"]) and name != "control"]
    found = results.pivot_table("r_shift", ["data_set", "held_out", "cells"], "method", sort=False)
    found = found.reindex(columns=methods)
    rows = [
        [held_out, str(cells), *(share(values[method]) for method in methods)]
        for (_, held_out, cells), values in found.iterrows()
    ]
    return table(["held out", "cells", *(NAMES[name] for name in methods)], rows)


def write_results(
    results: pd.DataFrame,
    changed: pd.DataFrame,
    *,
    given: argparse.Namespace,
    packages: Sequence[str],
) -> None:
    """Write the tables and the picture."""
    facts = describe_run(given, packages)
    facts[1] = (
        f"Cells: at most {given.max_cells:,} of each perturbation in each group, chosen with seed "
        f"{given.seed}, and all control cells."
    )
    if "vae" in given.methods:
        facts.append(f"VAE: {given.steps:,} training steps of scVI.")
    draw_picture(results, [folder / PICTURE for folder in picture_folders(given)])
    parts = [*tables(results, changed, facts=facts), picture(CAPTION, STATIC / PICTURE)]
    save_parts(parts, given, name=NAME, rows=[KNOCK_OUTS] if len(changed) else [])


def draw_picture(results: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw the correlation of shifts, one panel an experiment."""
    parts = list(results.groupby("data_set", sort=False))
    n_lines = max(own["held_out"].nunique() for _, own in parts)
    figure = new_figure(5.5 * len(parts), 1.6 + 0.3 * n_lines)
    for ax, (name, own) in zip(
        figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True
    ):
        shown = own[own["method"] != "control"].assign(data_set=own["held_out"])
        place = {held: i for i, held in enumerate(sorted(set(shown["data_set"]), reverse=True))}
        dots(ax, shown, place=place, names=NAMES, what="r_shift")
        ax.set_xlim(min(-0.02, shown["r_shift"].min() - 0.02), 1.02)
        ax.set(xlabel=COLUMNS["r_shift"], title=str(name))
    save(figure, paths)


if __name__ == "__main__":
    main()
