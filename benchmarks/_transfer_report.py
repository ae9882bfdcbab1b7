"""From the rows of the transfer benchmark to tables and a picture."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from _page import bullets, share, table
from _pictures import dots, new_figure, save

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

THRESHOLD = 0.3
NAMES = {
    "transfer": "label_transfer",
    "cells": "label_transfer, cells alone",
    "names": "label_transfer, names alone",
    "genes": "logistic regression on genes",
    "components": "logistic regression on PCA",
    "celltypist": "CellTypist",
    "ingest": "scanpy ingest",
    "neighbours": "kNN on PCA",
}


def tables(results: pd.DataFrame, halves: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return facts, the means, and one table a question."""
    whole = results[results["left_out"].fillna("") == ""]
    parts = [
        bullets(facts),
        mean_table(results),
        "Macro-F1 over the types that the reference has:",
        pair_table(whole, what="macro_f1"),
    ]
    if len(whole) < len(results):
        parts += [
            "AUROC of cells of a type left out of the reference, mean over types ± standard error:",
            left_out_table(results),
        ]
    if len(halves):
        parts += ["From one half of a study to the other, share with the very label:"]
        parts += [halves_table(halves)]
    return parts


def mean_table(results: pd.DataFrame) -> str:
    """One row a method, each pair of studies counting the same."""
    is_whole = results["left_out"].fillna("") == ""
    whole, less = results[is_whole], results[~is_whole]
    rows = []
    for method in _methods(results):
        own = whole[whole["method"] == method]
        own = own.reindex(columns=list(dict.fromkeys([*results, *_CHANCES])))
        left = less[less["method"] == method]
        by_pair = left.groupby("data_set")[["auroc"]].mean() if len(left) else pd.DataFrame()
        rows.append(
            [
                NAMES[method],
                f"**{own['macro_f1'].mean():.3f}**",
                share(own["accuracy"].mean()),
                share(by_pair["auroc"].mean()) if len(by_pair) else "",
                *(share(own[what].mean()) for what in _CHANCES),
            ]
        )
    head = ["method", "mean macro-F1", "mean accuracy", "AUROC of left-out types"]
    return table([*head, *_CHANCES.values()], rows)


_CHANCES = {
    "calibration_error": "ECE, mean over pairs",
    "mean_chance": "mean stated chance",
    "share_right": "share right",
    "answered": f"cells with a chance of {THRESHOLD}",
    "answered_right": "right of these",
}


def pair_table(whole: pd.DataFrame, *, what: str) -> str:
    """One row a pair, one column a method."""
    methods = _methods(whole)
    rows = []
    for name, part in whole.groupby("data_set", sort=False):
        own = part.set_index("method")
        first = own.iloc[0]
        cells = [
            f"{own.loc[m, what]:.3f} ({own.loc[m, f'{what}_low']:.2f}–"
            f"{own.loc[m, f'{what}_high']:.2f})"
            for m in methods
        ]
        numbers = [f"{int(first[n]):,}" for n in ("cells", "labels", "others")]
        rows.append([str(name), *numbers, *cells])
    head = ["reference → query", "cells", "types", "cells of other types"]
    return table([*head, *(NAMES[m] for m in methods)], rows)


def left_out_table(results: pd.DataFrame) -> str:
    """One row a pair: how well left-out types are told, one column a method."""
    less = results[results["left_out"].fillna("") != ""]
    methods = _methods(less)
    rows = []
    for name, part in less.groupby("data_set", sort=False):
        by_method = part.groupby("method")["auroc"]
        mean, error = by_method.mean(), by_method.sem()
        cells = [
            f"{mean[m]:.3f}" + ("" if np.isnan(error[m]) else f" ± {error[m]:.3f}") for m in methods
        ]
        rows.append([str(name), str(part["left_out"].nunique()), *cells])
    return table(["reference → query", "types left out", *(NAMES[m] for m in methods)], rows)


def halves_table(halves: pd.DataFrame) -> str:
    """One row a study, one column a method."""
    methods = _methods(halves)
    rows = []
    for name, part in halves.groupby("data_set", sort=False):
        own = part.set_index("method")
        numbers = [f"{int(own.iloc[0][n]):,}" for n in ("cells", "labels")]
        rows.append([str(name), *numbers, *(share(own.loc[m, "same_label"]) for m in methods)])
    mean = halves.groupby("method")["same_label"].mean()
    rows.append(["**mean**", "", "", *(f"**{mean[m]:.3f}**" for m in methods)])
    return table(["study", "cells", "labels", *(NAMES[m] for m in methods)], rows)


def draw_picture(results: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw macro-F1 and AUROC, one line a pair."""
    is_whole = results["left_out"].fillna("") == ""
    whole = results[is_whole]
    place = {name: i for i, name in enumerate(reversed(whole["data_set"].unique()))}
    figure = new_figure(10.5, 1.8 + 0.62 * len(place))
    left, right = figure.subplots(1, 2, sharey=True)
    draw = partial(dots, place=place, names=NAMES)
    draw(left, whole, what="macro_f1")
    left.set(xlabel="macro-F1, 95 % interval")
    if len(whole) < len(results):
        less = results[~is_whole].groupby(["data_set", "method"], as_index=False)["auroc"].mean()
        draw(right, less, what="auroc")
    right.set(xlabel="AUROC of types left out, mean over types")
    save(figure, paths)


def _methods(found: pd.DataFrame) -> list[str]:
    return [name for name in NAMES if name in set(found["method"])]
