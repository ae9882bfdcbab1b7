"""What was aimed at, and what was reached: the results of other benchmarks in one table.

It reads the rows that they have left beside the documentation; those that have not run leave their
lines open.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from _confidence import GAPS
from _page import bullets, table
from _report import CLOSED, NAMES
from _run import RESULTS, add_output, save_parts, save_rows
from bad_input import SILENT
from leave_types_out import ALL_SETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NAME = "targets"
OURS, MARKERS = "scmmgpt", "markers"
# Baselines that learned from the same cells, whose best the aim is about.
TAUGHT = ("celltypist", "knn", "scanvi")
BETTER_ON, WORSE_BY = 10, 0.02
OPEN = "open"
# Cells of files whose memory is compared.
FEW, MANY = 10_000, 1_000_000


@dataclass(frozen=True)
class Target:
    """One aim.

    Parameters
    ----------
    what
        Is aimed at.
    aim
        Bound, in words.
    reached
        What was measured, in words.
    met
        Whether it is within the bound.
    """

    what: str
    aim: str
    reached: str
    met: bool

    def row(self) -> list[str]:
        """Cells of a table."""
        return [self.what, self.aim, self.reached, "yes" if self.met else "**no**"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the results and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_output(parser)
    parser.add_argument(
        "--results", type=Path, help="rows of the benchmarks; by default those beside the pages"
    )
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    targets, open_lines = collect(given.results or given.docs / RESULTS)
    save_rows(pd.DataFrame(targets), given, name=NAME)
    parts = [table(["what", "aimed at", "reached", "met"], [target.row() for target in targets])]
    if open_lines:
        parts.append("Not run yet:")
        parts.append(bullets(open_lines))
    save_parts(parts, given, name=NAME)


def collect(folder: Path) -> tuple[list[Target], list[str]]:
    """Hold the results of a folder against the aims.

    Parameters
    ----------
    folder
        With the CSV files of the benchmarks.

    Returns
    -------
    The targets, and the files that no benchmark has left there.
    """
    targets: list[Target] = []
    missing = []
    for name, read in READERS.items():
        path = folder / f"{name}.csv"
        if path.exists():
            targets += read(pd.read_csv(path))
        else:
            missing.append(f"`{path.name}`")
    return targets, missing


def of_annotation(results: pd.DataFrame) -> Iterator[Target]:
    """Errors beside those of baselines, data set by data set, and what scores are worth."""
    closed = results[results["setting"] == CLOSED]
    f1 = closed.pivot_table(index="data_set", columns="method", values="macro_f1")
    error = 1 - f1.mean()
    taught = [name for name in TAUGHT if name in error]
    if taught:
        best = error[taught].idxmin()
        yield at_most(
            f"closed macro-F1, error beside that of {NAMES[best]}, the best of {_listed(taught)}",
            2 / 3,
            error[OURS] / error[best],
        )
        ahead = f1[OURS] - f1[taught].max(axis=1)
        yield at_least(
            f"data sets where closed macro-F1 is above that of all of {_listed(taught)}",
            BETTER_ON,
            int((ahead > 0).sum()),
        )
        yield at_least(
            f"closed macro-F1 less the best of these, on the worst data set ({ahead.idxmin()})",
            -WORSE_BY,
            ahead.min(),
        )
    if MARKERS in error:
        yield at_most(
            "closed macro-F1, error beside that of marker scoring",
            0.5,
            error[OURS] / error[MARKERS],
        )
    ours = results[results["method"] == OURS]
    for setting in (CLOSED, OPEN):
        gaps = ours[ours["setting"] == setting][list(GAPS)].mean()
        yield at_most(
            f"calibration error (ECE), all data sets together, {setting}", 0.05, gaps.abs().sum()
        )
    unknown = ours[ours["setting"] == OPEN]["auroc_unknown"].mean()
    yield at_least("AUROC of unknown", 0.9, unknown)


def of_types_left_out(results: pd.DataFrame) -> Iterator[Target]:
    """Accuracy on types that nothing was trained on, beside marker scoring."""
    whole = results[results["data_set"] == ALL_SETS]
    for setting, part in whole.groupby("setting", sort=False):
        accuracy = part.set_index("method")["accuracy"]
        yield at_least(
            f"types never trained on, {setting}: accuracy beside that of marker scoring",
            2.0,
            accuracy[OURS] / accuracy[MARKERS],
        )


def of_retrieval(results: pd.DataFrame) -> Iterator[Target]:
    """Recall at 5 in each direction."""
    ours = results[results["method"] == OURS]
    for direction, recall in ours.groupby("direction", sort=False)["recall_5"].mean().items():
        yield at_least(f"recall@5, {direction}", 0.8, recall)


def of_descriptions(results: pd.DataFrame) -> Iterator[Target]:
    """True names, and false ones."""
    ours = results.set_index("method").loc[OURS]
    yield at_least("descriptions that name the type or one above it", 0.9, ours["names_true"])
    yield at_least("descriptions that name no false type", 1.0, ours["nothing_false"])


def of_generation(results: pd.DataFrame) -> Iterator[Target]:
    """Whether real cells recognise generated ones."""
    accuracy = results.groupby("method")["knn_5"].mean()
    rivals = accuracy[["profile", "vae"]]
    yield at_least(
        "generated cells: kNN accuracy (k=5), more than mean profile and VAE",
        float(rivals.max()),
        accuracy[OURS],
    )


def of_cost(results: pd.DataFrame) -> Iterator[Target]:
    """Speed and memory of annotation."""
    last = results.iloc[-1]
    yield at_least(
        f"cells/s of `annotate`, 2,000 genes a cell, {last['device']}", 1000, last["annotated"]
    )
    yield at_most("peak memory of that in MiB", 2048, last["peak_mib"])


def of_growth(results: pd.DataFrame) -> Iterator[Target]:
    """Memory of a file of a million cells, beside one of ten thousand."""
    memory = results[results["tool"] == "annotate"].set_index("cells")["peak_mib"]
    if {FEW, MANY} <= set(memory.index):
        yield at_most(
            "peak memory of `annotate` on a million cells of a file, in MiB", 2048, memory[MANY]
        )
        growth = memory[MANY] / memory[FEW]
        yield at_most("the same beside that on ten thousand", 1.05, growth)


def of_encoders(results: pd.DataFrame) -> Iterator[Target]:
    """Speed of scGPT's shape beside its own path, by the better precision."""
    speed = results[results["encoder"] == "scgpt"].pivot_table(
        index="expressed", columns="way", values="cells_per_second"
    )
    ours = speed.drop(columns="original").max(axis=1)
    for expressed, ratio in (ours / speed["original"]).items():
        yield at_least(
            f"cells/s of scGPT's shape on a CPU, {expressed:,} genes a cell, beside its own path",
            8,
            ratio,
        )


def of_workers(results: pd.DataFrame) -> Iterator[Target]:
    """What a second Dask worker adds, and whether files are the same."""
    seconds = results.pivot_table(
        index=["tool", "round"], columns="way", values="seconds", aggfunc="median"
    )
    ratio = (seconds["one worker"] / seconds["two workers"]).groupby("tool").median()
    for tool, faster in ratio.items():
        yield at_least(f"speed of two Dask workers beside that of one, `{tool}`", 1.6, faster)
    yield at_least("share of these runs that end with the same file", 1.0, results["same"].mean())


def of_bad_input(results: pd.DataFrame) -> Iterator[Target]:
    """Faults that nobody is told of."""
    silent = (results["kind"] == SILENT).groupby(results["method"]).sum()
    yield at_most("kinds of bad input that give wrong answers in silence", 0, int(silent[OURS]))


def of_tokens(results: pd.DataFrame) -> Iterator[Target]:
    """Speed of tokenisers beside the published code, on cells of whichever size is worst."""
    speed = results.pivot_table(
        index=["encoder", "expressed"], columns="way", values="cells_per_second"
    )
    ratio = (speed["ours"] / speed["original"]).groupby("encoder").min()
    yield at_least("cells/s of scGPT's tokens, beside its collator", 8, ratio["scgpt"])
    yield at_least("cells/s of Geneformer's tokens, beside its way", 3, ratio["geneformer"])


READERS: dict[str, Callable[[pd.DataFrame], Iterator[Target]]] = {
    "annotate": of_annotation,
    "leave_types_out": of_types_left_out,
    "retrieval": of_retrieval,
    "description_means": of_descriptions,
    "generation": of_generation,
    "cost_of_a_cell": of_cost,
    "large_files": of_growth,
    "encoders": of_encoders,
    "tokens": of_tokens,
    "dask_workers": of_workers,
    "bad_input": of_bad_input,
}


def at_least(what: str, aim: float, reached: float) -> Target:
    """Return an aim that more is better for."""
    return Target(what, f"≥ {_number(aim)}", _number(reached), bool(reached >= aim))


def at_most(what: str, aim: float, reached: float) -> Target:
    """Return an aim that less is better for."""
    return Target(what, f"≤ {_number(aim)}", _number(reached), bool(reached <= aim))


def _number(value: float) -> str:
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 50 else f"{value:.3f}"


def _listed(methods: Sequence[str]) -> str:
    *first, last = (NAMES[name] for name in methods)
    return f"{', '.join(first)} and {last}" if first else last


if __name__ == "__main__":
    main()
