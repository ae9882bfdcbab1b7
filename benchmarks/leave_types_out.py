"""How well cell types are told apart that the model was never trained on.

`python benchmarks/leave_types_out.py` trains the first stage of the default run without some types
and all kinds of them (`--types`; `--model BUNDLE` takes a bundle that was trained so before), and
takes all cells of the data sets that are of one of them. Each cell is given to one of the types, and
to one of the types and all labels that the model knows.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _data import Study, read_query, read_study
from _markers import Markers, score_markers
from _page import bullets, picture, share, table
from _panel import symbols_of
from _pictures import COLOURS, clean, new_figure, save
from _ranks import first_ranks
from _run import (
    DEFAULT_RUN,
    STATIC,
    add_markers,
    add_sentences,
    base_parser,
    bundle_folder,
    data_sets,
    describe_run,
    picture_folders,
    save_parts,
    save_rows,
)
from _sentences import SentenceEncoder, words_of
from _short_runs import add_steps, train_short
from _similarity import by_sentences

import scmmgpt_tl as scmm
from scmmgpt_tl import ontology
from scmmgpt_tl.metrics import accuracy, bootstrap_interval, macro_f1
from scmmgpt_tl.model.labels import LabelTable
from scmmgpt_tl.ontology._share_out import most_specific

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

    Scorer = Callable[[Study, Sequence[str]], NDArray[np.floating]]

NAME = "leave_types_out"
PICTURE = "benchmark_leave_types_out.png"
CAPTION = "Accuracy on cell types that were left out of training, by method"
NAMES = {
    "scmmgpt": "scmmgpt-tl",
    "markers": "marker scoring",
    "sentences": "MiniLM sentences",
    "chance": "chance",
}
# Of many tissues and lineages, each with cells in several data sets.
TYPES = (
    "CL:0000097",
    "CL:0000127",
    "CL:0000128",
    "CL:0000129",
    "CL:0000169",
    "CL:0000236",
    "CL:0000622",
    "CL:0000623",
    "CL:0000786",
)
AMONG_TYPES, AMONG_ALL = "among these types", "beside all known labels"
ALL_SETS = "all"
KS = (3, 5)
COLUMNS = {"accuracy": "accuracy", "macro_f1": "macro-F1"} | {
    f"recall_{k}": f"recall@{k}" for k in KS
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    paths = data_sets(given)
    trained = given.model is None
    if trained:
        given.model = train(given)
    known = LabelTable.read(bundle_folder(given.model) / "labels.tsv").cl_ids
    types = check_types(given.types, known, allow=given.allow_known)
    parts = [read_cells(path, types, given) for path in paths]
    found = [pair for pair in parts if pair is not None]
    if not found:
        sys.exit("None of the cells is of any of these types. Pass other --types, or more --data.")
    occurring = sorted({term for _, truth in found for term in truth})
    galleries = {
        AMONG_TYPES: occurring,
        AMONG_ALL: sorted({*occurring, *filter(None, known)}),
    }
    methods, rows = open_methods(given), []
    for setting, gallery in galleries.items():
        for method, scorer in methods.items():
            row = {"method": method, "setting": setting, "labels": len(gallery)}
            each = [(scorer(study, gallery), truth) for study, truth in found]
            together = tuple(map(np.concatenate, zip(*each, strict=True)))
            names = [ALL_SETS, *(study.name for study, _ in found)]
            for name, (scores, truth) in zip(names, [together, *each], strict=True):
                scored = score_cells(scores, truth, gallery, seed=given.seed)
                rows.append({"data_set": name} | row | scored)
            report(rows[-len(names)])
            save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given, types=occurring, trained=trained)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add_markers(parser)
    add_sentences(parser)
    add = parser.add_argument
    add("--types", nargs="+", default=TYPES, metavar="CL", help="Cell Ontology ids left out")
    add("--methods", nargs="+", choices=NAMES, default=list(NAMES))
    add(
        "--allow-known",
        action="store_true",
        help="run although the model knows some types: what training on them would have given",
    )
    add("--config", type=Path, default=DEFAULT_RUN, help="the run that types are left out of")
    # As long as the model that ships.
    add_steps(parser, warm_up=1700, stage1=700)
    return parser.parse_args(arguments)


def train(given: argparse.Namespace) -> Path:
    """Train a model without the types, unless that was done before, and return its bundle."""
    from scmmgpt_tl.train.config import RunConfig

    config = replace(
        RunConfig.read(given.config),
        seed=given.seed,
        without_types=tuple(given.types),
        warm_up_steps=given.warm_up,
        stage1_steps=given.stage1,
    )
    folder = given.out / NAME / f"run-{given.seed}"
    return train_short(config, folder, name="without types", revision=str(given.seed))


def check_types(types: Sequence[str], known: Sequence[str], *, allow: bool) -> tuple[str, ...]:
    """Return the current ids of types, or leave where the model was trained on one.

    Parameters
    ----------
    types
        Cell Ontology ids that training left out, with all kinds of them.
    known
        Ids of the model's own labels, `""` for labels without one.
    allow
        Whether the model may know them.
    """
    cl = ontology.load()
    current = tuple(dict.fromkeys(cl.current(term) for term in types))
    below = frozenset(current).union(*(cl.descendants(term) for term in current))
    learned = sorted(below & {cl.current(term) for term in known if term})
    if learned and not allow:
        named = ", ".join(f"{term} ({cl.name(term)})" for term in learned[:5])
        sys.exit(f"The model has labels of these types: {named}. Train it without them.")
    return current


def read_cells(
    path: Path, types: Sequence[str], given: argparse.Namespace
) -> tuple[Study, NDArray[np.str_]] | None:
    """Read the cells of a data set that are of one of the types, and which they are.

    Parameters
    ----------
    path
        Of the data set.
    types
        Cell Ontology ids.
    given
        Command line.

    Returns
    -------
    The cells, and the most specific type of each; `None` where there are none.
    """
    study = read_study(path, max_cells=given.max_cells, seed=given.seed)
    of_label = [_type_of(term, types) for term in study.cl_ids]
    truth = np.array(of_label)[study.truth]
    rows = np.flatnonzero(truth != "")
    return (study.of(rows), truth[rows]) if rows.size else None


def open_methods(given: argparse.Namespace) -> dict[str, Scorer]:
    """Load what scores cells for terms, by the name of the method."""
    model = scmm.load_model(given.model or "default")
    ways: dict[str, Scorer] = {}
    if "scmmgpt" in given.methods:
        ways["scmmgpt"] = lambda study, terms: by_annotation(study, terms, model=model)
    if "markers" in given.methods:
        markers = Markers.read(given.markers)
        ways["markers"] = lambda study, terms: by_markers(
            study, terms, markers=markers, model=model
        )
    if "sentences" in given.methods:
        encoder = SentenceEncoder(given.sentences)
        ways["sentences"] = lambda study, terms: by_sentences(
            study, [words_of(term) for term in terms], encoder=encoder, genes=model.genes
        )
    if "chance" in given.methods:
        rng = np.random.default_rng(given.seed)
        ways["chance"] = lambda study, terms: rng.random((study.adata.n_obs, len(terms)))
    return ways


def by_annotation(study: Study, terms: Sequence[str], *, model: Model) -> NDArray[np.floating]:
    """Return the probability of each term in each cell, by `tl.annotate`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = scmm.tl.annotate(
            study.adata, list(terms), model=model, threshold=0.0, counts=study.counts, copy=True
        )
    return found.obsm["scmm_cell_type_scores"].to_numpy()


def by_markers(
    study: Study, terms: Sequence[str], *, markers: Markers, model: Model
) -> NDArray[np.floating]:
    """Return how strongly each cell expresses the markers of each term."""
    query = read_query(study, model.genes)
    network = markers.network(terms, symbols_of(query, model.genes))
    return score_markers(query, terms, network=network, genes=model.genes)


def score_cells(
    scores: NDArray[np.floating], truth: NDArray[np.str_], gallery: Sequence[str], *, seed: int
) -> dict[str, object]:
    """Score one method over all cells.

    Parameters
    ----------
    scores
        Of each label in each cell, (cells, labels).
    truth
        Cell Ontology id of each cell, (cells,).
    gallery
        Ids of the labels.
    seed
        Of the bootstrap.

    Returns
    -------
    Accuracy and macro-F1 with intervals, and the share of cells whose type is among the best.
    """
    ranks = first_ranks(scores, truth[:, None] == np.array(gallery))
    given = np.array(gallery)[scores.argmax(axis=1)]
    row: dict[str, object] = {"cells": len(truth)}
    for name, metric in (("accuracy", accuracy), ("macro_f1", macro_f1)):
        low, high = bootstrap_interval(metric, truth, given, rng=np.random.default_rng(seed))
        row |= {name: metric(truth, given), f"{name}_low": low, f"{name}_high": high}
    return row | {f"recall_{k}": float((ranks <= k).mean()) for k in KS}


def report(row: dict[str, object]) -> None:
    """Print what one method reached."""
    numbers = "   ".join(f"{title} {row[what]:.3f}" for what, title in COLUMNS.items())
    print(f"{row['setting']:24} {row['method']:10} {row['cells']} cells   {numbers}", flush=True)


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, one row a setting and method, and the accuracy on each data set."""
    whole = results[results["data_set"] == ALL_SETS]
    rows = [
        [row.setting, f"{row.labels:,}", NAMES[row.method], f"{row.cells:,}"]
        + [share(getattr(row, what)) + _interval(row, what) for what in COLUMNS]
        for row in whole.itertuples()
    ]
    head = ["chosen from", "labels", "method", "cells", *COLUMNS.values()]
    each = results[(results["data_set"] != ALL_SETS) & (results["setting"] == AMONG_TYPES)]
    wide = each.pivot_table("accuracy", ["data_set", "cells"], "method")
    methods = [method for method in NAMES if method in wide]
    lines = [
        [name, f"{n:,}", *(share(wide.loc[(name, n), method]) for method in methods)]
        for name, n in wide.index
    ]
    return [
        bullets(facts),
        table(head, rows),
        f"Accuracy {AMONG_TYPES}, by data set:",
        table(["data set", "cells", *(NAMES[method] for method in methods)], lines),
    ]


def write_results(
    results: pd.DataFrame, given: argparse.Namespace, *, types: Sequence[str], trained: bool
) -> None:
    """Write the tables and the picture, and how long the model was trained if it was here."""
    used = {"markers": "decoupler", "sentences": "transformers"}
    cl = ontology.load()
    facts = describe_run(given, [used[name] for name in given.methods if name in used])
    facts.append(f"Types: {', '.join(f'{cl.name(term)} ({term})' for term in types)}.")
    if trained:
        facts.append(
            f"Training: {given.warm_up:,} steps of warm-up and {given.stage1:,} of the rest of stage 1."
        )
    if given.allow_known:
        facts.append("The model was trained on some or all of these types.")
    draw_picture(
        results[results["data_set"] == ALL_SETS],
        [folder / PICTURE for folder in picture_folders(given)],
    )
    parts = [*tables(results, facts=facts), picture(CAPTION, STATIC / PICTURE)]
    save_parts(parts, given, name=NAME)


def draw_picture(results: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw one group of bars a setting."""
    figure = new_figure(7.5, 3.6)
    ax = figure.subplots()
    methods = [name for name in NAMES if name in set(results["method"])]
    settings = list(dict.fromkeys(results["setting"]))
    for i, method in enumerate(methods):
        own = results[results["method"] == method].set_index("setting").loc[settings]
        x = np.arange(len(settings)) + (i - (len(methods) - 1) / 2) * 0.8 / len(methods)
        ends = np.stack(
            [own["accuracy"] - own["accuracy_low"], own["accuracy_high"] - own["accuracy"]]
        )
        colour = COLOURS[list(NAMES).index(method)]
        width = 0.75 / len(methods)
        ax.bar(x, own["accuracy"], width, yerr=ends.clip(0), color=colour, label=NAMES[method])
    ax.set_xticks(range(len(settings)), settings)
    ax.set(ylabel="accuracy, 95 % interval", ylim=(0, 1))
    clean(ax)
    save(figure, paths)


def _type_of(term: str, types: Sequence[str]) -> str:
    """Most specific of the types that a term is or descends from, `""` for none."""
    if not term:
        return ""
    return min(most_specific(term, types, ontology=ontology.load()), default="")


def _interval(row: tuple[object, ...], what: str) -> str:
    if not hasattr(row, f"{what}_low"):
        return ""
    return f" ({getattr(row, f'{what}_low'):.2f}–{getattr(row, f'{what}_high'):.2f})"


if __name__ == "__main__":
    main()
