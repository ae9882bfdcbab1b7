"""What each part of training is worth: runs that lack one of them, side by side.

`python benchmarks/ablation.py --warm-up 500 --stage1 200 --seeds 0 1` trains the first stage of the
default run in every variant and with every seed, publishes each, annotates the same cells with all
of them, and compares the cells with texts. Stage 2 is left out: it changes no weight of these.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from _data import read_study
from _page import bullets, share, table
from _run import DEFAULT_RUN, base_parser, data_sets, describe_run, save_parts, save_rows
from _sentences import words_of
from _short_runs import MEASURES, add_steps, report, score_bundle, train_short
from _similarity import by_model
from retrieval import TO_CELL, TO_TEXT, gallery_of, score_study

import scmmgpt_tl as scmm

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from _data import Study
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
COLUMNS = MEASURES | {
    (TO_CELL, "recall_5"): "text to cell: recall@5",
    (TO_TEXT, "recall_5"): "cell to text: recall@5",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    given = read_arguments(arguments)
    paths = data_sets(given)
    studies = [read_study(path, max_cells=given.max_cells, seed=given.seed) for path in paths]
    rows: list[Row] = []
    for variant in given.variants:
        for seed in given.seeds:
            bundle = train(variant, seed, given)
            found = [row for path in paths for row in score_bundle(path, bundle, given)]
            report(f"{variant}, seed {seed}", pd.DataFrame(found))
            found += score_texts(studies, bundle, seed=given.seed)
            rows += [{"variant": variant, "seed": seed} | row for row in found]
            # After each run, so that a benchmark cut short leaves what it found.
            save_rows(pd.DataFrame(rows), given, name=NAME)
    write_results(pd.DataFrame(rows), given)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = base_parser(__doc__)
    add = parser.add_argument
    add("--config", type=Path, default=DEFAULT_RUN, help="the run that variants are made of")
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


def score_texts(studies: Sequence[Study], bundle: Path, *, seed: int) -> list[Row]:
    """Let cells and texts look for one another, as `retrieval.py` does.

    Parameters
    ----------
    studies
        Data sets.
    bundle
        Of the model.
    seed
        Of the bootstrap.
    """
    model = scmm.load_model(bundle)
    gallery = gallery_of(model.labels, studies)
    texts = [words_of(term) for term in gallery]
    rows: list[Row] = []
    for study in studies:
        found = score_study(study, by_model(study, texts, model=model), gallery, seed=seed)
        rows += [{"data_set": study.name, "setting": row["direction"]} | row for row in found]
    return rows


def write_results(results: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the table: means over data sets, then over seeds, with the range over seeds."""
    head = ["variant", *COLUMNS.values()]
    lines = []
    for variant in dict.fromkeys(results["variant"]):
        cells = []
        for setting, measure in COLUMNS:
            chosen = results[(results["variant"] == variant) & (results["setting"] == setting)]
            of_seed = chosen.groupby("seed")[measure].mean()
            spread = f" ({share(of_seed.min())}-{share(of_seed.max())})" if len(of_seed) > 1 else ""
            cells.append(share(of_seed.mean()) + spread)
        lines.append([variant, *cells])
    steps = f"{given.warm_up:,} steps of warm-up and {given.stage1:,} of the rest of stage 1"
    seeds = ", ".join(map(str, given.seeds))
    facts = [
        *describe_run(given)[1:],
        f"Training: {steps}; seeds {seeds}; in brackets the range over seeds, where there are several.",
        "Stage 2 trains decoders beside a bridge that stands still, so it changes none of this.",
    ]
    save_parts([bullets(facts), table(head, lines)], given, name=NAME)


if __name__ == "__main__":
    main()
