"""What each part of training is worth: runs that lack one of them, side by side.

`python benchmarks/ablation.py --warm-up 500 --stage1 200 --seeds 0 1` trains the first stage of the
default run in every variant and with every seed, publishes each, and annotates the same cells with
all of them. Stage 2 is left out: it changes no weight that annotation reads.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from _page import bullets, share, table
from _run import ROOT, base_parser, data_sets, describe_run, save_parts, save_rows
from _short_runs import MEASURES, add_steps, report, score_bundle, train_short

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from _score import Row

NAME = "ablation"
WHOLE = "all of it"
# What differs from the whole run. Steps that are not spent on one part are spent on the other.
VARIANTS: dict[str, dict[str, Any]] = {
    WHOLE: {},
    "labels only, texts untrained": {"stage1_steps": 0},
    "genes without texts": {"use_gene_text": False},
    "profiles only": {"real_share": 0.0},
    "real cells only": {"real_share": 1.0},
    "no cells made of markers": {"marker_share": 0.0},
    "no cells moved to other studies": {"moved_share": 0.0},
    "no mouse profiles": {"ortholog_profiles": ()},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    paths = data_sets(given)
    rows: list[Row] = []
    for variant in given.variants:
        for seed in given.seeds:
            bundle = train(variant, seed, given)
            found = [score_bundle(path, bundle, given) for path in paths]
            rows += [{"variant": variant, "seed": seed} | row for scored in found for row in scored]
            report(f"{variant}, seed {seed}", pd.DataFrame(rows[-sum(map(len, found)) :]))
            # After each run, so that a benchmark cut short leaves what it found.
            save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add = parser.add_argument
    config = ROOT / "benchmarks" / "training" / "default.yaml"
    add("--config", type=Path, default=config, help="the run that variants are made of")
    add("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    add("--seeds", nargs="+", type=int, default=[0, 1], metavar="SEED")
    add_steps(parser, warm_up=500, stage1=200)
    return parser.parse_args(arguments)


def train(variant: str, seed: int, given: argparse.Namespace) -> Path:
    """Train a variant, unless that was done before, and return its bundle.

    Parameters
    ----------
    variant
        Key of `VARIANTS`.
    seed
        Of the run.
    given
        Command line.
    """
    from scmmgpt_tl.train.config import RunConfig

    config = RunConfig.read(given.config)
    changes = {"stage1_steps": given.stage1} | VARIANTS[variant]
    warm_up = given.warm_up + given.stage1 - changes["stage1_steps"]
    config = replace(config, seed=seed, warm_up_steps=warm_up, **changes)
    folder = given.out / NAME / f"{variant.replace(', ', '-').replace(' ', '_')}-{seed}"
    return train_short(config, folder, name=variant, revision=str(seed))


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the table: means over data sets, then over seeds, with the range over seeds."""
    head = ["variant", *MEASURES.values()]
    lines = []
    for variant in dict.fromkeys(results["variant"]):
        cells = []
        for setting, measure in MEASURES:
            chosen = results[(results["variant"] == variant) & (results["setting"] == setting)]
            of_seed = chosen.groupby("seed")[measure].mean()
            spread = f" ({share(of_seed.min())}-{share(of_seed.max())})" if len(of_seed) > 1 else ""
            cells.append(share(of_seed.mean()) + spread)
        lines.append([variant, *cells])
    facts = [
        *describe_run(given)[1:],
        (
            f"Training: {given.warm_up:,} steps of warm-up and {given.stage1:,} of the rest of stage 1, "
            f"with seeds {', '.join(map(str, given.seeds))}; in brackets the range over seeds."
        ),
        "Stage 2 trains decoders beside a bridge that stands still, so it changes none of this.",
    ]
    save_parts([bullets(facts), table(head, lines)], given, name=NAME)


if __name__ == "__main__":
    main()
