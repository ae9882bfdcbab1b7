"""How far labels of one study carry to another, and whether types that it lacks are told.

`python benchmarks/label_transfer.py --data ../shared/data` takes the labels of one study to the
cells of another, for pairs of studies of one tissue; then it leaves each type out of the reference
in turn.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from _data import Study, read_study
from _page import picture
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
from _transfer_methods import (
    Pair,
    Transferred,
    by_celltypist,
    by_components,
    by_genes,
    by_ingest,
    by_model,
    by_neighbours,
    read_pair,
)
from _transfer_report import NAMES, THRESHOLD, draw_picture, tables
from sklearn.metrics import roc_auc_score

import scmmgpt_tl as scmm
from scmmgpt_tl.metrics import accuracy, bootstrap_interval, consistent, macro_f1
from scmmgpt_tl.model.calibration import calibration_gaps

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "label_transfer"
PICTURE = "benchmark_label_transfer.png"
CAPTION = (
    "Macro-F1 of transferred labels, and AUROC of types left out, by pair of studies and method"
)
PAIRS = (
    "pbmc3k_labelled:zheng_sorted_scminer3500",
    "zheng_sorted_scminer3500:pbmc3k_labelled",
    "pbmc_seqwell_liger:pbmc3k_labelled",
    "pbmc3k_labelled:pbmc_seqwell_liger",
    "pbmc3k_labelled:kang_ifnb_scgen_valid",
    "enge_2017:baron_2016",
    "darmanis_2015:brain_sacc_lieber500",
    "brain_sacc_lieber500:darmanis_2015",
    "crc_scmetalink:liver_he2020",
)
# Studies that are cut into a reference and a query, with labels that lie within one another.
WITHIN = (
    "zheng_sorted_scminer3500",
    "pbmc68k_reduced",
    "crc_scmetalink",
    "liver_he2020",
    "baron_2016",
    "pbmc3k_labelled",
)
METHODS: dict[str, Callable[[Pair, Model], Transferred]] = {
    "transfer": by_model(0.5),
    "cells": by_model(0.0),
    "names": by_model(1.0),
    "genes": by_genes,
    "components": by_components,
    "celltypist": by_celltypist,
    "ingest": by_ingest,
    "neighbours": by_neighbours,
}
PACKAGES = {
    "genes": ("scikit-learn",),
    "ingest": ("scanpy", "pynndescent"),
    "celltypist": ("celltypist",),
}
STATES_CHANCES = {"transfer", "cells", "names", "genes", "components", "celltypist"}
# What tells a cell of another type is the same in all three ways of the tool; ingest has nothing.
TELLS_OTHERS = {"transfer", "genes", "components", "celltypist", "neighbours"}
FEWEST = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    check_packages(packages_of(given.methods, PACKAGES))
    given.out.mkdir(parents=True, exist_ok=True)
    model = scmm.load_model(given.model or "default")
    rows: list[dict[str, Any]] = []
    for names in given.pairs:
        studies = [find_study(name, given) for name in names.split(":")]
        rows += compare(read_pair(*studies, model), model, given)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    halves = [row for name in given.within for row in within(find_study(name, given), model, given)]
    save_rows(pd.DataFrame(halves), given, name=f"{NAME}_within")
    write_results(pd.DataFrame(rows), pd.DataFrame(halves), given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    parser.set_defaults(data=parser.get_default("data").parent)
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--pairs", nargs="+", metavar="REFERENCE:QUERY", default=list(PAIRS))
    parser.add_argument("--within", nargs="*", metavar="NAME", default=list(WITHIN))
    parser.add_argument("--no-left-out", action="store_true", help="leave no type out")
    return parser.parse_args(arguments)


def find_study(name: str, given: argparse.Namespace) -> Study:
    """Read the data set of a name, wherever it lies below the folder of the data."""
    path = next(iter(sorted(given.data.rglob(f"{name}.h5ad"))), None)
    if path is None:
        msg = f"There is no {name}.h5ad in {given.data}. Pass --data FOLDER, or other --pairs."
        raise SystemExit(msg)
    return read_study(path, max_cells=given.max_cells, seed=given.seed)


def compare(pair: Pair, model: Model, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the methods on a pair, with the whole reference and with each type left out.

    Parameters
    ----------
    pair
        The studies.
    model
        Of the tool.
    given
        Command line.
    """
    reference, query = pair.reference, pair.query
    name, truth = f"{reference.name} → {query.name}", query.terms()
    ids = np.array([*reference.cl_ids, ""])
    held = sorted({ids[t] for t in reference.truth if ids[t]})
    cells = truth != ""
    known = cells & _fits(truth, held)
    rows = []
    for method in given.methods:
        start = time.perf_counter()
        found = METHODS[method](pair, model)
        seconds = time.perf_counter() - start
        row = {
            "data_set": name,
            "method": method,
            "left_out": "",
            "cells": int(known.sum()),
            "labels": len(set(truth[known])),
            "others": int((cells & ~known).sum()),
            "seconds": seconds,
            **score_labels(truth, ids[found.code], known, seed=given.seed),
        }
        if method in STATES_CHANCES:
            row |= score_chances(truth[cells], ids[found.code][cells], found.certainty[cells])
        rows.append(row)
        print(f"{name:50} {method:10} macro-F1 {row['macro_f1']:.3f}  {seconds:.1f} s", flush=True)
    if not given.no_left_out:
        rows += leave_out(pair, model, given, name=name)
    return rows


def within(study: Study, model: Model, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Take the labels of one half of a study to the other, where nothing but the very label is right.

    Parameters
    ----------
    study
        Its cells.
    model
        Of the tool.
    given
        Command line.
    """
    order = np.random.default_rng(given.seed).permutation(study.adata.n_obs)
    pair = read_pair(study.of(order[::2]), study.of(order[1::2]), model)
    truth = pair.query.truth
    known = np.isin(truth, pair.reference.truth)
    rows = []
    for method in given.methods:
        right = METHODS[method](pair, model).code[known] == truth[known]
        row = {"data_set": study.name, "method": method, "cells": int(known.sum())}
        row |= {"labels": len(set(truth[known])), "same_label": float(right.mean())}
        rows.append(row)
        print(f"halves of {study.name:40} {method:10} {row['same_label']:.3f}", flush=True)
    return rows


def leave_out(
    pair: Pair, model: Model, given: argparse.Namespace, *, name: str
) -> list[dict[str, Any]]:
    """Leave each type of the reference out, and see whether its cells in the query are told.

    Parameters
    ----------
    pair
        The studies.
    model
        Of the tool.
    given
        Command line.
    name
        Of the pair.
    """
    reference, truth = pair.reference, pair.query.terms()
    rows = []
    for label in np.unique(reference.truth):
        term = reference.cl_ids[label]
        rest = sorted({reference.cl_ids[t] for t in reference.truth if t != label} - {""})
        if not term:
            continue
        cells = truth != ""
        known = cells & _fits(truth, rest)
        new = cells & ~known & _fits(truth, [term])
        if min(known.sum(), new.sum()) < FEWEST or len(rest) < 2:
            continue
        less = pair.without(int(label))
        for method in (m for m in given.methods if m in TELLS_OTHERS):
            certainty = METHODS[method](less, model).certainty
            chosen = known | new
            rows.append(
                {
                    "data_set": name,
                    "method": method,
                    "left_out": reference.labels[label],
                    "cells": int(new.sum()),
                    "auroc": roc_auc_score(known[chosen], certainty[chosen]),
                    "refused": float((certainty[new] < THRESHOLD).mean()),
                    "refused_known": float((certainty[known] < THRESHOLD).mean()),
                }
            )
        print(f"{name:50} without {reference.labels[label]}", flush=True)
    return rows


def score_labels(
    truth: NDArray[np.str_], given: NDArray[np.str_], cells: NDArray[np.bool_], *, seed: int
) -> dict[str, float]:
    """Score the cells whose type the reference has, or has one above or below it.

    Parameters
    ----------
    truth, given
        Cell Ontology ids, `(cells,)`; an answer that is above or below the truth is right.
    cells
        Which cells count, `(cells,)`.
    seed
        Of the bootstrap.
    """
    true, said = truth[cells], given[cells]
    said = np.where(consistent(true, said), true, said)
    row = {}
    for name, metric in (("macro_f1", macro_f1), ("accuracy", accuracy)):
        low, high = bootstrap_interval(metric, true, said, rng=np.random.default_rng(seed))
        row |= {name: metric(true, said), f"{name}_low": low, f"{name}_high": high}
    return row


def score_chances(
    truth: NDArray[np.str_],
    given: NDArray[np.str_],
    certainty: NDArray[np.floating],
) -> dict[str, float]:
    """Hold stated chances against what was right; a type that the reference lacks never is.

    Parameters
    ----------
    truth, given
        Cell Ontology ids, `(cells,)`.
    certainty
        Stated chances, `(cells,)`.
    """
    right = consistent(truth, given)
    gaps = calibration_gaps(certainty, right)
    answered = certainty >= THRESHOLD
    return {
        "calibration_error": float(np.abs(gaps).sum()),
        "mean_chance": float(certainty.mean()),
        "share_right": float(right.mean()),
        "answered": float(answered.mean()),
        "answered_right": float(right[answered].mean()) if answered.any() else np.nan,
    }


def _fits(truth: NDArray[np.str_], held: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each term is one of those held, or above or below one."""
    fits = {
        term: any(consistent([term], [key])[0] for key in held) if term else False
        for term in set(truth)
    }
    return np.array([fits[term] for term in truth], dtype=np.bool_)


def write_results(results: pd.DataFrame, halves: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the tables and the picture."""
    facts = describe_run(given, packages_of(given.methods, PACKAGES))
    draw_picture(results, [folder / PICTURE for folder in picture_folders(given)])
    parts = [*tables(results, halves, facts=facts), picture(CAPTION, STATIC / PICTURE)]
    save_parts(parts, given, name=NAME, rows=[f"{NAME}_within"])


if __name__ == "__main__":
    main()
