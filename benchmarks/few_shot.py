"""How much a few labelled cells of a data set help.

`python benchmarks/few_shot.py --data ../shared/data/dev --out build/benchmarks` labels 1, 5 and 10
cells of each type of every data set, learns from them, and scores the others.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from _data import Study, read_query, read_study
from _page import bullets, picture, table
from _panel import log_cp10k
from _pictures import clean, new_figure, save
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
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

import scmmgpt_tl as scmm
from scmmgpt_tl.metrics import macro_f1
from scmmgpt_tl.train import finetune

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "few_shot"
PICTURE = "benchmark_few_shot.png"
CAPTION = "Macro-F1 by the number of labelled cells a type"
NAMES = {
    "scmmgpt": "scmmgpt-tl, fine-tuned",
    "pca": "logistic regression on PCA",
    "scanvi": "scANVI",
}
PACKAGES = {"pca": ("scikit-learn",), "scanvi": ("scvi-tools",)}
VARIABLE_GENES, COMPONENTS, LARGEST = 2000, 50, 10.0


class Split(NamedTuple):
    """Rows of the cells that a method is shown with their labels, and of all others."""

    shown: NDArray[np.int64]
    rest: NDArray[np.int64]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    check_packages(packages_of(given.methods, PACKAGES))
    model = scmm.load_model(given.model or "default")
    rows: list[dict[str, object]] = []
    for path in data_sets(given):
        study = read_study(path, max_cells=given.max_cells, seed=given.seed)
        rows += compare(study, model, given)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[1, 5, 10], help="labelled cells")
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--epochs", type=int, default=200, help="most epochs of scVI")
    parser.add_argument("--repeats", type=int, default=3, help="choices of the labelled cells")
    return parser.parse_args(arguments)


def compare(study: Study, model: Model, given: argparse.Namespace) -> list[dict[str, object]]:
    """Run the methods on one data set, for each number of cells and each choice of them.

    Parameters
    ----------
    study
        The data set.
    model
        That is fine-tuned.
    given
        Command line.
    """
    answer = {method: open_method(method, study, model, given=given) for method in given.methods}
    rows: list[dict[str, object]] = []
    for n in given.cells:
        for repeat in range(given.repeats):
            rng = np.random.default_rng([given.seed, n, repeat])
            shown = choose(study.truth, n, rng)
            rest = np.setdiff1d(np.arange(len(study.truth)), shown)
            rows += [
                {
                    "data_set": study.name,
                    "method": method,
                    "cells": n,
                    "repeat": repeat,
                    "macro_f1": macro_f1(study.truth[rest], answer[method](Split(shown, rest))),
                }
                for method in given.methods
            ]
        found = pd.DataFrame(rows).query("cells == @n").groupby("method")["macro_f1"].mean()
        print(f"{study.name:28} {n:3} cells   {found.round(3).to_dict()}", flush=True)
    return rows


def open_method(
    method: str, study: Study, model: Model, *, given: argparse.Namespace
) -> Callable[[Split], NDArray[np.int64]]:
    """Learn what can be learned without labels; return what answers for a choice of labels."""
    match method:
        case "pca":
            placed = principal_components(study, model)
            return lambda split: by_components(study, split, placed)
        case "scanvi":
            from _few_labels import FewLabels

            reader = FewLabels.read(study, model.genes, epochs=given.epochs, seed=given.seed)
            return lambda split: reader.answer(study.truth, split.shown, split.rest)
        case _:
            return lambda split: by_model(study, split, model)


def choose(truth: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return `n` cells of each type, of rare types at most half of them."""
    chosen = []
    for label in np.unique(truth):
        own = np.flatnonzero(truth == label)
        size = min(n, max(len(own) // 2, 1))
        chosen.append(rng.choice(own, size=size, replace=False))
    return np.sort(np.concatenate(chosen))


def by_model(study: Study, split: Split, model: Model) -> NDArray[np.int64]:
    """Fine-tune on the labelled cells, and annotate the others; return their labels."""
    labelled = study.adata[split.shown].copy()
    labelled.obs["label"] = [study.labels[t] for t in study.truth[split.shown]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        tuned = finetune(labelled, "label", model=model, counts=study.counts)
        found = scmm.tl.annotate(
            study.adata[split.rest].copy(),
            model=tuned,
            counts=study.counts,
            threshold=0.0,
            copy=True,
        )
    place = {name: i for i, name in enumerate(study.labels)}
    return np.array([place.get(name, -1) for name in found.obs["scmm_cell_type"].astype(str)])


def by_components(study: Study, split: Split, placed: NDArray[np.float64]) -> NDArray[np.int64]:
    """Train logistic regression on components of the labelled cells; return the others' labels."""
    classifier = LogisticRegression(max_iter=1000)
    classifier.fit(placed[split.shown], study.truth[split.shown])
    found: NDArray[np.int64] = classifier.predict(placed[split.rest])
    return found


def principal_components(study: Study, model: Model) -> NDArray[np.float64]:
    """Components of all cells of a data set, labelled or not, at unit spread."""
    query = read_query(study, model.genes)
    values = log_cp10k(query.counts, query.measured)
    square = np.asarray(values.power(2).mean(0)).ravel()
    spread = square - np.square(np.asarray(values.mean(0)).ravel())
    dense = values[:, np.argsort(-spread, kind="stable")[:VARIABLE_GENES]].toarray()
    dense -= dense.mean(0)
    dense = (dense / np.maximum(dense.std(0), 1e-6)).clip(-LARGEST, LARGEST)
    n = min(COMPONENTS, len(dense) - 1)
    placed = PCA(n, random_state=0).fit_transform(dense)
    scaled: NDArray[np.float64] = placed / placed.std()
    return scaled


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, the means with their spread over choices, and one table of all data sets."""
    names = {method: name for method, name in NAMES.items() if method in set(results["method"])}
    each = _mean(results, ["data_set", "cells"])
    mean = _mean(results, ["cells"])
    spread = _mean(results, ["cells", "repeat"]).groupby("cells").std()
    head = ["cells a type", *names.values()]
    means = [
        [str(n), *(f"**{mean.loc[n, m]:.3f}** ± {spread.loc[n, m]:.3f}" for m in names)]
        for n in mean.index
    ]
    rows = [
        [name, str(n), *(f"{each.loc[(name, n), m]:.3f}" for m in names)] for name, n in each.index
    ]
    return [
        bullets(facts),
        "Mean macro-F1 over data sets, and its standard deviation over choices of the cells:",
        table(head, means),
        table(["data set", *head], rows),
    ]


def _mean(results: pd.DataFrame, rows: list[str]) -> pd.DataFrame:
    """Mean macro-F1, one column a method."""
    return results.pivot_table("macro_f1", rows, "method", sort=True)


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the tables and the picture."""
    repeats = f"Labelled cells are chosen {given.repeats} times."
    facts = [*describe_run(given, packages_of(given.methods, PACKAGES)), repeats]
    if "scanvi" in given.methods:
        facts.append(f"scANVI: {given.epochs} epochs of scVI on all cells, then as many of scANVI.")
    draw_picture(results, [folder / PICTURE for folder in picture_folders(given)])
    parts = [*tables(results, facts=facts), picture(CAPTION, STATIC / PICTURE)]
    save_parts(parts, given, name=NAME)


def draw_picture(results: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw the mean over data sets, and behind it each data set."""
    figure = new_figure(7, 4)
    ax = figure.subplots()
    places = sorted(set(results["cells"]))
    each, mean = _mean(results, ["cells", "data_set"]), _mean(results, ["cells"])
    for i, (method, name) in enumerate(NAMES.items()):
        if method not in mean:
            continue
        color = f"C{i}"
        for _, curve in each[method].groupby("data_set"):
            ax.plot(range(len(places)), curve.to_numpy(), color=color, alpha=0.2, linewidth=1)
        ax.plot(range(len(places)), mean[method].to_numpy(), color=color, marker="o", label=name)
    clean(ax)
    ax.set(xlabel="labelled cells a type", ylabel="macro-F1", ylim=(0, 1))
    ax.set_xticks(range(len(places)), [str(n) for n in places])
    save(figure, paths)


if __name__ == "__main__":
    main()
