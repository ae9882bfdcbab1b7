"""From the rows of the annotation benchmark to tables and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from _confidence import COVERAGES, GAPS
from _page import bullets, share, table
from _pictures import dots, lines, new_figure, save

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

NAMES = {
    "scmmgpt": "scmmgpt-tl",
    "celltypist": "CellTypist",
    "logistic": "logistic regression",
    "knn": "kNN on PCA",
    "scanvi": "scANVI",
    "markers": "marker scoring",
    "sentences": "MiniLM sentences",
}
CLOSED, WITH_ID = "closed", "closed, with id"
OPEN = {
    "accuracy": "same term",
    "macro_f1": "macro-F1",
    "ontology_f1": "ontology F1",
    "consistent": "consistent",
    "consistent_f1": "macro-F1, consistent",
    "unknown": "unknown",
    "answered_consistent": "consistent of answered",
}
OUTSIDERS = {
    "auroc_unknown": "AUROC of unknown",
    "auroc_other": "of other types and cell lines",
    "auroc_doublet": "of doublets",
    "auroc_empty": "of empty droplets",
}


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return the parts of the page: facts, and one table a question."""
    return [
        bullets(facts),
        "#### Closed: the data set's labels are given",
        "Macro-F1:",
        closed_table(results, what="macro_f1"),
        "Accuracy:",
        closed_table(results, what="accuracy"),
        "Mean macro-F1 by technology and tissue:",
        place_table(results),
        "#### Open: no labels are given",
        open_table(results),
        "#### Confidence",
        confidence_table(results),
        "#### Cost",
        cost_table(results),
    ]


def closed_table(results: pd.DataFrame, *, what: str, names: Mapping[str, str] = NAMES) -> str:
    """One row a data set, one column a method.

    Parameters
    ----------
    results
        Rows of the scores.
    what
        Which score, with its interval.
    names
        Methods in order, and what they are called.
    """
    found = results[results["setting"] == CLOSED]
    methods = [name for name in names if name in set(found["method"])]
    rows = []
    for data_set, part in found.groupby("data_set", sort=True):
        by_method = part.set_index("method")
        first = by_method.iloc[0]
        cells = [
            _interval(by_method.loc[name], what) if name in by_method.index else ""
            for name in methods
        ]
        rows.append([str(data_set), _of(first), str(first["labels"]), *cells])
    for setting, title in ((CLOSED, "**mean**"), (WITH_ID, "**mean, labels with a CL id**")):
        mean = results[results["setting"] == setting].groupby("method")[what].mean()
        if len(mean):
            rows.append([title, "", "", *(_bold(mean, name) for name in methods)])
    return table(["data set", "cells", "labels", *(names[name] for name in methods)], rows)


def place_table(results: pd.DataFrame) -> str:
    """One row a technology and a tissue, mean macro-F1 of each method."""
    found = results[results["setting"] == CLOSED]
    methods = _methods(found)
    rows = []
    for column in ("technology", "tissue"):
        for name, part in found.groupby(column, sort=True):
            mean = part.groupby("method")["macro_f1"].mean()
            n = str(part["data_set"].nunique())
            rows.append([str(name), n, *(share(mean.get(m, np.nan)) for m in methods)])
    return table(["technology or tissue", "data sets", *(NAMES[m] for m in methods)], rows)


def open_table(results: pd.DataFrame, *, names: Mapping[str, str] = NAMES) -> str:
    """One row a data set, method and open setting."""
    found = _opened(results)
    rows = []
    for (data_set, method, setting), part in found.groupby(
        ["data_set", "method", "setting"], sort=False
    ):
        rows.append([data_set, _way(names[method], setting), *_shares(part.iloc[0], OPEN)])
    for (method, setting), part in found.groupby(["method", "setting"], sort=False):
        rows.append(
            ["**mean**", _way(names[method], setting), *_shares(part[list(OPEN)].mean(), OPEN)]
        )
    return table(["data set", "method", *OPEN.values()], rows)


def confidence_table(results: pd.DataFrame) -> str:
    """One row a method: over all data sets together, each counting the same, and means over them."""
    single = ["calibration_error", "risk_area", "risk_0.8"]
    known = results.reindex(columns=list(dict.fromkeys([*results, *GAPS, *single, *OUTSIDERS])))
    rows = []
    for method in _methods(results):
        own = known[known["method"] == method]
        parts = [own[own["setting"] == name] for name in (CLOSED, "open")]
        cells = [part[list(GAPS)].mean().abs().sum(min_count=1) for part in parts]
        cells += [part[what].mean() for what in single for part in parts]
        cells += [parts[1][what].mean() for what in OUTSIDERS]
        rows.append([NAMES[method], *map(share, cells)])
    head = ["method", "ECE of all together, closed", "the same, open"]
    head += ["ECE, mean over data sets, closed", "the same, open"]
    head += ["area under risk-coverage, closed", "the same, open"]
    head += ["risk at 80 % coverage, closed", "the same, open"]
    return table([*head, *OUTSIDERS.values()], rows)


def cost_table(results: pd.DataFrame) -> str:
    """One row a method: speed, memory, training."""
    runs = results[results["setting"] == CLOSED]
    rows = []
    for method in _methods(runs):
        own = runs[runs["method"] == method]
        speed, memory = own["cells_per_second"], own["peak_mib"]
        rows.append(
            [
                NAMES[method],
                f"{speed.median():,.0f} ({speed.min():,.0f}–{speed.max():,.0f})",
                f"{memory.median():,.0f} ({memory.max():,.0f})",
                f"{own['training_seconds'].sum():,.0f}",
            ]
        )
    head = [
        "method",
        "cells/s, median (range)",
        "peak memory in MiB, median (highest)",
        "training for these data sets, s",
    ]
    return table(head, rows)


def draw_scores(results: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw macro-F1 with labels, and consistent answers without, one line a data set."""
    closed = results[results["setting"] == CLOSED]
    opened = results[results["setting"] == "open"]
    order = closed[closed["method"] == closed["method"].iloc[0]].sort_values("macro_f1")
    place = {name: i for i, name in enumerate(order["data_set"])}
    per_line = 0.16 + 0.08 * len(_methods(closed))
    figure = new_figure(9.5, 1.8 + per_line * len(place))
    left, right = figure.subplots(1, 2, sharey=True)
    dots(left, closed, place=place, names=NAMES, what="macro_f1")
    dots(right, opened, place=place, names=NAMES, what="consistent")
    left.set(xlabel="macro-F1, 95 % interval", title="closed: labels given")
    right.set(xlabel="share of cells, 95 % interval", title="open: same term, above or below")
    save(figure, paths)


def draw_confidence(results: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Draw the risk at each coverage, closed and open, mean over data sets."""
    figure = new_figure(9.5, 4.2)
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_risk(left, results[results["setting"] == CLOSED], title="closed: labels given")
    _draw_risk(right, results[results["setting"] == "open"], title="open: not consistent")
    left.set_ylabel("share of wrong answers")
    save(figure, paths)


def _draw_risk(ax: Axes, found: pd.DataFrame, *, title: str) -> None:
    columns = [f"risk_{coverage:.1f}" for coverage in COVERAGES]
    mean = found.groupby("method")[columns].mean()
    curves = {method: mean.loc[method].to_numpy() for method in mean.index}
    lines(ax, COVERAGES, curves, names=NAMES)
    ax.set(xlabel="share of cells answered, the most certain first", title=title, ylim=(0, 1))


def _methods(found: pd.DataFrame) -> list[str]:
    return [name for name in NAMES if name in set(found["method"])]


def _opened(results: pd.DataFrame) -> pd.DataFrame:
    return results[~results["setting"].isin([CLOSED, WITH_ID])]


def _way(name: str, setting: str) -> str:
    return name + (f", {setting}" if setting != "open" else "")


def _of(row: pd.Series) -> str:
    n, whole = int(row["cells"]), int(row["n_labelled"])
    return f"{n:,}" if n == whole else f"{n:,} of {whole:,}"


def _interval(row: pd.Series, what: str) -> str:
    return f"{row[what]:.3f} ({row[f'{what}_low']:.2f}–{row[f'{what}_high']:.2f})"


def _bold(mean: pd.Series, method: str) -> str:
    return f"**{mean[method]:.3f}**" if method in mean.index else ""


def _shares(row: pd.Series, columns: Sequence[str]) -> list[str]:
    return [share(row[what]) for what in columns]
