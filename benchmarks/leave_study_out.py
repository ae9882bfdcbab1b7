"""What the model would know of a study if it had learned from the others that it is tested on.

`python benchmarks/leave_study_out.py --warm-up 500 --stage1 200` trains the first stage of the
default run once as it is, and once for each group of data sets with the cells of all others added,
but for those that share a study or a donor with the group; each group is then annotated by both.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from _page import bullets, table
from _run import DEFAULT_RUN, ROOT, base_parser, data_sets, describe_run, save_parts, save_rows
from _short_runs import MEASURES, add_steps, measured, report, score_bundle, train_short

from scmmgpt_tl.model.genes import GeneTable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from _score import Row

    from scmmgpt_tl.train.config import RunConfig

NAME = "leave_study_out"
ALONE, TOGETHER = "profiles and other studies only", "the other data sets as well"
GENES = ROOT / "src" / "scmmgpt_tl" / "models" / "default" / "genes.tsv"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    from scmmgpt_tl.train.config import RunConfig

    given = read_arguments(arguments)
    paths = data_sets(given)
    config = RunConfig.read(given.config)
    config = replace(
        config, seed=given.seed, warm_up_steps=given.warm_up, stage1_steps=given.stage1
    )
    rows: list[Row] = []
    bundle = train_short(config, given.out / NAME / "alone", name=ALONE, revision="1")
    rows += score_all(paths, bundle, given, protocol=ALONE)
    countable = [path for path in paths if holds_counts(path)]
    for i in range(min(given.groups, len(paths))):
        group = paths[i :: given.groups]
        run = with_others(config, group, countable)
        bundle = train_short(run, given.out / NAME / f"group{i}", name=TOGETHER, revision=str(i))
        rows += score_all(group, bundle, given, protocol=TOGETHER)
    write_results(pd.DataFrame(rows), given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    parser.add_argument("--config", type=Path, default=DEFAULT_RUN, help="the run that is added to")
    parser.add_argument(
        "--groups", type=int, default=14, help="groups of data sets that are left out in turn"
    )
    add_steps(parser, warm_up=500, stage1=200)
    return parser.parse_args(arguments)


def with_others(config: RunConfig, group: Sequence[Path], paths: Sequence[Path]) -> RunConfig:
    """Return the run that learns from all data sets which have nothing to do with a group."""
    from scmmgpt_tl.train.leakage import read_origin
    from scmmgpt_tl.train.origin import in_common

    held = [read_origin(path) for path in group]
    others = [
        path
        for path in paths
        if path not in group and not any(in_common(read_origin(path), one) for one in held)
    ]
    # The run itself makes sure that nothing of the group is learned from.
    return replace(
        config, cells=(*config.cells, *others), keep_out=tuple(group), keep_out_splits=()
    )


def holds_counts(path: Path) -> bool:
    """Tell whether training can draw from a data set: it takes counts of labelled cells alone."""
    from scmmgpt_tl.train.corpus.files import open_cells

    try:
        open_cells(path, GeneTable.read(GENES))
    except ValueError as error:
        print(f"{path.name} is only tested on: {error}")
        return False
    return True


def score_all(
    paths: Sequence[Path], bundle: Path, given: argparse.Namespace, *, protocol: str
) -> list[Row]:
    """Score a model on data sets, and save nothing yet."""
    found = [row for path in paths for row in score_bundle(path, bundle, given)]
    report(f"{protocol}: {len(paths)} data sets", pd.DataFrame(found))
    return [{"protocol": protocol} | row for row in found]


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write means over data sets, and the macro-F1 of each."""
    save_rows(results, given, name=NAME)
    protocols = list(dict.fromkeys(results["protocol"]))
    means = [
        [protocol, *measured(results[results["protocol"] == protocol])] for protocol in protocols
    ]
    closed = results[results["setting"] == "closed"]
    each = closed.pivot_table("macro_f1", "data_set", "protocol")
    lines = [[name, *(f"{each.loc[name, p]:.3f}" for p in protocols)] for name in each.index]
    facts = [
        *describe_run(given)[1:],
        (
            f"Training: {given.warm_up:,} steps of warm-up and {given.stage1:,} of the rest of stage 1; "
            f"data sets are left out in {min(given.groups, len(each))} groups, in turn."
        ),
    ]
    parts = [
        bullets(facts),
        table(["training", *MEASURES.values()], means),
        "Macro-F1 with the labels given:",
        table(["data set", *protocols], lines),
    ]
    save_parts(parts, given, name=NAME)


if __name__ == "__main__":
    main()
