"""What a stated confidence is worth where few genes were measured.

`python benchmarks/panels.py --data ../shared/data/dev` annotates cells of every data set with all of
their genes and with panels of fewer, and those of a slide that has few to begin with.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from _data import read_query, read_study
from _page import bullets, share, table
from _panel import log_cp10k
from _run import SHARED, base_parser, data_sets, describe_run, save_parts, save_rows

import scmmgpt_tl as scmm
from scmmgpt_tl.metrics import consistent, expected_calibration_error

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from _data import Study
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model

NAME = "panels"
SIZES = (1000, 300, 100, 33)
COLUMNS = {
    "coverage": "coverage",
    "accuracy": "accuracy",
    "consistent": "right, coarser or finer",
    "score": "mean score",
    "calibration_error": "ECE",
    "unknown": "unknown",
    "kept": "right, coarser or finer, of the others",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    model = scmm.load_model(given.model or "default")
    rows: list[dict[str, Any]] = []
    slide = [given.slide] if given.slide.is_file() else []
    for path in [*data_sets(given), *slide]:
        study = read_study(path, max_cells=given.max_cells, seed=given.seed)
        sizes = () if path == given.slide else tuple(given.sizes)
        rows += compare(study, model, sizes=sizes)
        save_rows(pd.DataFrame(rows), given, name=NAME)
    results = pd.DataFrame(rows)
    facts = [*describe_run(given), "Labels: those of the data set, given."]
    save_parts(tables(results, facts=facts), given, name=NAME)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add = parser.add_argument
    add("--sizes", nargs="+", type=int, default=list(SIZES), help="genes of the panels")
    slide = SHARED / "data" / "tasks" / "mouse_osmfish_cortex.h5ad"
    add("--slide", type=type(slide), default=slide, help="labelled cells of a small panel")
    return parser.parse_args(arguments)


def compare(study: Study, model: Model, *, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Annotate the cells of a data set with all of its genes, and with some.

    Parameters
    ----------
    study
        Its cells.
    model
        The model.
    sizes
        Genes of the panels.
    """
    order = telling_genes(study, model) if sizes else np.empty(0, dtype=object)
    rows = []
    for size in (None, *(size for size in sizes if size < len(order))):
        adata = study.adata.copy() if size is None else study.adata[:, order[:size]].copy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            scmm.tl.annotate(
                adata, list(study.asked), model=model, counts=study.counts, threshold=0.0
            )
        row: dict[str, Any] = {
            "data_set": study.name,
            "panel": "all" if size is None else str(size),
        }
        row |= {"genes": adata.n_vars} | score(study, adata, limit=model.calibration.threshold)
        rows.append(row)
        numbers = "   ".join(f"{name} {row[name]:.3f}" for name in COLUMNS)
        print(f"{study.name:28} {adata.n_vars:6} genes   {numbers}", flush=True)
    return rows


def telling_genes(study: Study, model: Model) -> NDArray[np.object_]:
    """Return the names of a data set's genes, those that vary most over its cells first."""
    query = read_query(study, model.genes)
    values = log_cp10k(query.counts, query.measured)
    mean = np.asarray(values.mean(axis=0)).ravel()
    spread = np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2
    order = np.argsort(-spread, kind="stable")
    named = {symbol: place for place, symbol in enumerate(model.genes.symbols)}
    own = [name for name in study.adata.var_names if name in named]
    place = np.argsort(order)
    return np.array(sorted(own, key=lambda name: place[named[name]]), dtype=object)


def score(study: Study, adata: Any, *, limit: float) -> dict[str, float]:
    """Hold labels and scores against the truth.

    Parameters
    ----------
    study
        The truth.
    adata
        Its cells, each with a label.
    limit
        Lowest score of a label that is given.
    """
    found = scmm.get.annotation_df(adata)
    labels = found["label"].astype(str).to_numpy()
    named = dict(zip(scmm_names(adata), range(len(study.asked)), strict=True))
    guess = np.array([named.get(label, -1) for label in labels])
    right = guess == study.truth
    terms = study.terms()
    told = terms != ""
    either = right.copy()
    ids = found["cl_id"].astype(str).to_numpy()
    either[told] |= np.asarray(consistent(terms[told], ids[told]))
    certainty = found["score"].to_numpy(dtype=np.float64)
    kept = (certainty >= limit) & (guess >= 0)
    return {
        "cells": len(labels),
        "coverage": float(found["coverage"].mean()),
        "accuracy": float(right.mean()),
        "consistent": float(either.mean()),
        "score": float(certainty.mean()),
        "calibration_error": float(expected_calibration_error(certainty, either)),
        "unknown": float((~kept).mean()),
        "kept": float(either[kept].mean()) if kept.any() else float("nan"),
    }


def scmm_names(adata: Any) -> list[str]:
    """Return what the tool calls the labels that it was asked for, in their order."""
    return [str(name) for name in adata.uns["scmm_cell_type"]["labels"]["name"]]


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, the means over data sets of each panel, and one row a data set and panel."""
    cut = results.groupby("data_set").filter(lambda own: len(own) > 1)
    # Only what all panels were cut from can be compared.
    whole = cut.groupby("data_set")["panel"].nunique() == cut["panel"].nunique()
    cut = cut[cut["data_set"].isin(whole.index[whole])]
    parts = [bullets(facts)]
    if len(cut):
        mean = cut.groupby("panel", sort=False)[list(COLUMNS)].mean()
        rows = [[str(panel), *map(share, mean.loc[panel])] for panel in mean.index]
        n = cut["data_set"].nunique()
        parts += [
            f"Means over {n} data sets that were cut to panels:",
            table(["genes", *COLUMNS.values()], rows),
        ]
    rows = [
        [row["data_set"], f"{row['genes']:,}", str(row["cells"]), *(share(row[c]) for c in COLUMNS)]
        for row in results.to_dict("records")
    ]
    head = ["data set", "genes", "cells", *COLUMNS.values()]
    return [*parts, "By data set:", table(head, rows)]


if __name__ == "__main__":
    main()
