"""From rows of numbers to tables and a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

NAMES = {"scmmgpt": "scmmgpt-tl", "logistic": "logistic regression", "markers": "marker scoring"}
# Okabe and Ito: told apart by everyone.
COLOURS = {"scmmgpt": "#0072B2", "logistic": "#E69F00", "markers": "#999999"}
CLOSED, WITH_ID = "closed", "closed, with id"
CAPTION = "Macro-F1 with the labels given, and consistent answers without, by data set and method"
START, END = "<!-- results: start -->", "<!-- results: end -->"


def write_page(page: Path, results: pd.DataFrame, *, facts: Sequence[str], picture: str) -> None:
    """Replace what stands between the markers of a page by the tables.

    Parameters
    ----------
    page
        Markdown file with the markers.
    results
        One row for each data set, method and setting.
    facts
        What was run, one line each.
    picture
        Path of the picture, from the page.

    Raises
    ------
    ValueError
        The page lacks the markers.
    """
    text = page.read_text(encoding="utf-8")
    if START not in text or END not in text:
        msg = f"{page} lacks the lines {START!r} and {END!r}."
        raise ValueError(msg)
    before, rest = text.split(START, 1)
    after = rest.split(END, 1)[1]
    body = "\n\n".join([*tables(results, facts=facts), f"![{CAPTION}]({picture})"])
    page.write_text(f"{before}{START}\n\n{body}\n\n{END}{after}", encoding="utf-8")


def tables(results: pd.DataFrame, *, facts: Sequence[str]) -> list[str]:
    """Return the parts of the page: facts, and one table a setting."""
    return [
        "\n".join(f"* {fact}" for fact in facts),
        "### Closed: the data set's labels are given",
        closed_table(results),
        "### Open: no labels are given",
        open_table(results),
        "### Cost",
        cost_table(results),
    ]


def closed_table(results: pd.DataFrame) -> str:
    """One row a data set, accuracy and macro-F1 of each method."""
    found = results[results["setting"] == CLOSED]
    methods = [name for name in NAMES if name in set(found["method"])]
    head = ["data set", "cells", "labels"]
    head += [f"{NAMES[name]}: {what}" for name in methods for what in ("accuracy", "macro-F1")]
    rows = []
    for data_set, part in found.groupby("data_set", sort=True):
        by_method = part.set_index("method")
        first = by_method.iloc[0]
        rows.append(
            [data_set, _of(first), str(first["labels"])]
            + [
                _interval(by_method.loc[name], what) if name in by_method.index else ""
                for name in methods
                for what in ("accuracy", "macro_f1")
            ]
        )
    for setting, title in ((CLOSED, "**mean**"), (WITH_ID, "**mean, labels with a CL id**")):
        means = results[results["setting"] == setting].groupby("method")[["accuracy", "macro_f1"]]
        mean = means.mean()
        cells = [_bold(mean, n, w) for n in methods for w in ("accuracy", "macro_f1")]
        rows.append([title, "", "", *cells])
    return _markdown(head, rows)


OPEN = {
    "accuracy": "same term",
    "macro_f1": "macro-F1",
    "consistent": "consistent",
    "consistent_f1": "macro-F1, consistent",
    "unknown": "unknown",
    "answered_consistent": "consistent of answered",
}


def open_table(results: pd.DataFrame) -> str:
    """One row a data set, method and open setting."""
    found = results[~results["setting"].isin([CLOSED, WITH_ID])]
    rows = []
    for (data_set, method, setting), part in found.groupby(
        ["data_set", "method", "setting"], sort=False
    ):
        rows.append([data_set, _way(method, setting), *_shares(part.iloc[0])])
    for (method, setting), part in found.groupby(["method", "setting"], sort=False):
        rows.append(["**mean**", _way(method, setting), *_shares(part[list(OPEN)].mean())])
    return _markdown(["data set", "method", *OPEN.values()], rows)


def cost_table(results: pd.DataFrame) -> str:
    """One row a method: speed, memory, training."""
    runs = results[results["setting"] == CLOSED]
    rows = []
    for method in (name for name in NAMES if name in set(runs["method"])):
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
    return _markdown(head, rows)


def draw_picture(results: pd.DataFrame, path: Path) -> None:
    """Draw macro-F1 with labels, and consistent answers without, one line a data set."""
    closed = results[results["setting"] == CLOSED]
    opened = results[results["setting"] == "open"]
    order = closed[closed["method"] == closed["method"].iloc[0]].sort_values("macro_f1")
    place = {name: i for i, name in enumerate(order["data_set"])}
    figure = Figure(figsize=(9.5, 1.6 + 0.32 * len(place)), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    _dots(left, closed, place, what="macro_f1")
    _dots(right, opened, place, what="consistent")
    left.set(xlabel="macro-F1, 95 % interval", title="closed: labels given")
    right.set(xlabel="share of cells, 95 % interval", title="open: same term, above or below")
    left.set_yticks(range(len(place)), list(place))
    left.set_ylim(-0.6, len(place) - 0.4)
    handles, texts = left.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=len(texts), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _dots(ax: Axes, found: pd.DataFrame, place: Mapping[str, int], *, what: str) -> None:
    methods = [name for name in NAMES if name in set(found["method"])]
    for i, method in enumerate(methods):
        own = found[(found["method"] == method) & found["data_set"].isin(list(place))]
        # Side by side, so that no interval hides another.
        y = own["data_set"].map(place).to_numpy() + 0.22 * ((len(methods) - 1) / 2 - i)
        x = own[what].to_numpy()
        ends = np.stack([x - own[f"{what}_low"], own[f"{what}_high"] - x]).clip(min=0)
        ax.errorbar(
            x, y, xerr=ends, fmt="o", ms=4, lw=1.2, color=COLOURS[method], label=NAMES[method]
        )
    ax.set_xlim(-0.02, 1.02)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _way(method: str, setting: str) -> str:
    return NAMES[method] + (f", {setting}" if setting != "open" else "")


def _of(row: pd.Series) -> str:
    n, whole = int(row["cells"]), int(row["n_labelled"])
    return f"{n:,}" if n == whole else f"{n:,} of {whole:,}"


def _interval(row: pd.Series, what: str) -> str:
    return f"{row[what]:.3f} ({row[f'{what}_low']:.2f}–{row[f'{what}_high']:.2f})"


def _bold(mean: pd.DataFrame, method: str, what: str) -> str:
    return f"**{mean.loc[method, what]:.3f}**" if method in mean.index else ""


def _shares(row: pd.Series) -> list[str]:
    return ["" if np.isnan(row[what]) else f"{row[what]:.3f}" for what in OPEN]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
