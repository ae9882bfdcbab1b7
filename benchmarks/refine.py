"""What the company of a cell adds to what is said of it by itself.

`python benchmarks/refine.py --data ../shared/data/dev --out build/benchmarks` annotates every data
set with its labels given: cell by cell, one label a cluster, with `tl.refine`, and with scANVI that
learns from the surest cells.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import scanpy as sc
from _confidence import GAPS
from _data import Study, read_study
from _methods import Answers
from _page import bullets, picture, share, table
from _pictures import dots, new_figure, save
from _report import closed_table
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
from _score import CLOSED, Row, score_study

import scmmgpt_tl as scmm
from scmmgpt_tl._input import prepare
from scmmgpt_tl.tl._refinement.place import principal_components

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData

    from scmmgpt_tl.model import Model

NAME = "refine"
PICTURE = "benchmark_refine.png"
CAPTION = "Macro-F1 and accuracy with the labels given, by data set and method"
NAMES = {
    "cells": "annotate, cell by cell",
    "clusters": "annotate, by cluster",
    "refine": "refine",
    "scanvi": "scANVI from sure cells",
}
PACKAGES = {"clusters": ("igraph",), "refine": ("scikit-learn",), "scanvi": ("scvi-tools",)}
CELLS, CLUSTERS, REFINED = "scmm_cell_type", "cluster_type", "scmm_refined"
# scANVI is shown the cells with at least this score.
SURE = 0.8


class Job(NamedTuple):
    """What every method starts from: a data set, and what was said of each cell by itself."""

    study: Study
    annotated: AnnData
    seconds: float
    model: Model
    given: argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    check_packages(packages_of(given.methods, PACKAGES))
    model = scmm.load_model(given.model or "default")
    rows: list[Row] = []
    for path in data_sets(given):
        study = read_study(path, max_cells=given.max_cells, seed=given.seed)
        rows += compare(study, model, given)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--epochs", type=int, default=200, help="epochs of scVI, and of scANVI")
    return parser.parse_args(arguments)


def compare(study: Study, model: Model, given: argparse.Namespace) -> list[Row]:
    """Run the methods on one data set.

    Parameters
    ----------
    study
        The data set.
    model
        That annotates.
    given
        Command line.
    """
    start = time.perf_counter()
    annotated = annotate(study, study.adata, model=model, key=CELLS)
    job = Job(study, annotated, time.perf_counter() - start, model, given)
    rows = []
    for method in given.methods:
        answers = METHODS[method](job)
        (row, *_) = score_study(study, answers, seed=given.seed)
        first = {"data_set": study.name, "method": method, "n_labelled": study.n_labelled}
        rows.append(first | row | {"seconds": answers.seconds})
        print(
            f"{study.name:28} {method:10} accuracy {row['accuracy']:.3f}"
            f"   macro-F1 {row['macro_f1']:.3f}   {answers.seconds:6.1f} s",
            flush=True,
        )
    return rows


def annotate(
    study: Study, adata: AnnData, *, model: Model, key: str, groupby: str | None = None
) -> AnnData:
    """Return cells with the best of the study's labels, however unsure it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return scmm.tl.annotate(
            adata,
            list(study.asked),
            groupby,
            threshold=0.0,
            model=model,
            key_added=key,
            counts=study.counts,
            copy=True,
        )


def by_cells(job: Job) -> Answers:
    """Answer what was said of each cell by itself."""
    return read_answers(job.annotated, CELLS, seconds=job.seconds)


def by_clusters(job: Job) -> Answers:
    """Give every Leiden cluster the label that its cells together speak for."""
    start = time.perf_counter()
    cells = job.study.adata.copy()
    cells.obs["leiden"] = find_clusters(job).to_numpy()
    found = annotate(job.study, cells, model=job.model, key=CLUSTERS, groupby="leiden")
    return read_answers(found, CLUSTERS, seconds=time.perf_counter() - start)


def find_clusters(job: Job) -> pd.Series:
    """Cluster cells as scanpy's users do, by the very components that refine reads."""
    adata = job.study.adata
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        prepared = prepare(adata, genes=job.model.genes, counts=job.study.counts)
        cells = sc.AnnData(obs=pd.DataFrame(index=adata.obs_names))
        cells.obsm["X_pca"] = principal_components(prepared, np.arange(adata.n_obs))
        sc.pp.neighbors(cells, use_rep="X_pca", random_state=job.given.seed)
        sc.tl.leiden(
            cells, flavor="igraph", n_iterations=2, directed=False, random_state=job.given.seed
        )
    return cells.obs["leiden"]


def by_refining(job: Job) -> Answers:
    """Let the cells decide together."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = scmm.tl.refine(
            job.annotated, threshold=0.0, model=job.model, counts=job.study.counts, copy=True
        )
    return read_answers(found, REFINED, seconds=time.perf_counter() - start)


def by_scanvi(job: Job) -> Answers:
    """Show scANVI the labels of the cells that are sure by themselves; it states no chances."""
    from _few_labels import FewLabels

    start = time.perf_counter()
    first = by_cells(job)
    labels = first.closed.argmax(1)
    sure = np.flatnonzero((first.certainty[CLOSED] >= SURE) & ~first.refused)
    if len(np.unique(labels[sure])) > 1:
        reader = FewLabels.read(
            job.study, job.model.genes, epochs=job.given.epochs, seed=job.given.seed
        )
        labels = reader.answer(labels, sure, np.arange(len(labels)))
    closed = np.eye(len(job.study.labels))[labels]
    return Answers(closed, first.refused, time.perf_counter() - start)


METHODS = {
    "cells": by_cells,
    "clusters": by_clusters,
    "refine": by_refining,
    "scanvi": by_scanvi,
}


def read_answers(annotated: AnnData, key: str, *, seconds: float) -> Answers:
    """Read what an annotation answers, and the chance that it states.

    Parameters
    ----------
    annotated
        Cells with the results.
    key
        Of the annotation, whose labels are those of the study in order.
    seconds
        That it took.
    """
    frame = scmm.get.annotation_df(annotated, key=key)
    names = np.array([str(name) for name in annotated.uns[key]["labels"]["name"]])
    closed = frame["label"].to_numpy(dtype=str)[:, None] == names
    return Answers(
        closed=closed.astype(float),
        refused=~closed.any(axis=1),
        seconds=seconds,
        certainty={CLOSED: frame["score"].to_numpy(dtype=float)},
        states_chances=True,
    )


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, the means, and one table a measure with all data sets."""
    return [
        bullets(facts),
        mean_table(results),
        "Macro-F1:",
        closed_table(results, what="macro_f1", names=NAMES),
        "Accuracy:",
        closed_table(results, what="accuracy", names=NAMES),
    ]


def mean_table(results: pd.DataFrame) -> str:
    """One row a method: means, where it is ahead of single cells, and how far its score is off."""
    f1 = results.pivot_table("macro_f1", "data_set", "method")
    known = results.reindex(columns=list(dict.fromkeys([*results, *GAPS, "calibration_error"])))
    rows = []
    for method in (name for name in NAMES if name in f1):
        own = known[known["method"] == method]
        ahead = ""
        if "cells" in f1 and method != "cells":
            ahead = f"{int((f1[method] > f1['cells']).sum())} of {len(f1)}"
        # Each data set counts the same; without chances there is no gap.
        pooled = own[list(GAPS)].mean().abs().sum(min_count=1)
        rows.append(
            [
                NAMES[method],
                f"**{own['macro_f1'].mean():.3f}**",
                share(own["accuracy"].mean()),
                ahead,
                share(pooled),
                share(own["calibration_error"].mean()),
            ]
        )
    head = ["method", "mean macro-F1", "mean accuracy", "data sets where macro-F1 is higher"]
    return table([*head, "ECE of all together", "ECE, mean over data sets"], rows)


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the tables and the picture."""
    facts = describe_run(given, packages_of(given.methods, PACKAGES))
    if "scanvi" in given.methods:
        facts.append(f"scANVI: {given.epochs} epochs of scVI on all cells, then as many of scANVI.")
    draw_picture(results, [folder / PICTURE for folder in picture_folders(given)])
    parts = [*tables(results, facts=facts), picture(CAPTION, STATIC / PICTURE)]
    save_parts(parts, given, name=NAME)


def draw_picture(results: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw macro-F1 and accuracy, one line a data set."""
    order = results[results["method"] == results["method"].iloc[0]].sort_values("macro_f1")
    place = {name: i for i, name in enumerate(order["data_set"])}
    figure = new_figure(9.5, 1.8 + 0.4 * len(place))
    left, right = figure.subplots(1, 2, sharey=True)
    dots(left, results, place=place, names=NAMES, what="macro_f1")
    dots(right, results, place=place, names=NAMES, what="accuracy")
    left.set(xlabel="macro-F1, 95 % interval")
    right.set(xlabel="accuracy, 95 % interval")
    save(figure, paths)


if __name__ == "__main__":
    main()
