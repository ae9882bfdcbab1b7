"""Short training runs, each scored on the data sets: what changes if training does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from _data import read_study
from _methods import CLOSED, DEEPEST, OPEN, Setup, run_scmmgpt
from _page import share
from _score import Row, score_study

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from scmmgpt_tl.train.config import RunConfig

MEASURES = {
    (CLOSED, "macro_f1"): "closed: macro-F1",
    (CLOSED, "accuracy"): "closed: accuracy",
    (OPEN, "accuracy"): "open: same term",
    (OPEN, "consistent"): "open: consistent",
    (DEEPEST, "consistent"): "deepest: consistent",
}
# What changes no weight that annotation reads, or only what a score is worth.
SPARED: dict[str, Any] = {
    "cross_fit": (),
    "droplet_steps": 1,
    "stage2_steps": 1,
    "expression_steps": 1,
}


def add_steps(parser: argparse.ArgumentParser, *, warm_up: int, stage1: int) -> None:
    """Add the options of how long to train."""
    parser.add_argument("--warm-up", type=int, default=warm_up, help="steps of the warm-up")
    parser.add_argument("--stage1", type=int, default=stage1, help="steps of the rest of stage 1")


def train_short(config: RunConfig, folder: Path, *, name: str, revision: str) -> Path:
    """Train the first stage of a run, unless that was done before, and return its bundle.

    Parameters
    ----------
    config
        The run.
    folder
        For its weights.
    name, revision
        Of the bundle.
    """
    # Training is an extra of its own.
    from scmmgpt_tl.train.run import pretrain, publish_run

    pretrain(replace(config, **SPARED), folder)
    if not (folder / "bundle").exists():
        publish_run(folder, folder / "bundle", name=name, revision=revision)
    return folder / "bundle"


def score_bundle(path: Path, bundle: Path, given: argparse.Namespace) -> list[Row]:
    """Annotate a data set with a model, and score the answers, one row a setting."""
    study = read_study(path, max_cells=given.max_cells, seed=given.seed)
    # Only the bundle counts: nothing here is compared with.
    setup = Setup(
        model=bundle,
        training=bundle,
        markers=bundle,
        sentences=bundle,
        n_genes=0,
        max_iter=0,
        epochs=0,
        seed=given.seed,
    )
    answers = run_scmmgpt(study, setup)
    rows = score_study(study, answers, seed=given.seed, covered=setup.terms())
    return [{"data_set": study.name} | row for row in rows]


def report(what: str, rows: Sequence[pd.Series] | pd.DataFrame) -> None:
    """Print what one run reached in the mean over data sets."""
    means = rows.groupby("setting")[["accuracy", "macro_f1"]].mean()  # type: ignore[union-attr]
    for setting, row in means.iterrows():
        print(
            f"{what:40}   {setting:16} accuracy {row['accuracy']:.3f}   "
            f"macro-F1 {row['macro_f1']:.3f}",
            flush=True,
        )


def measured(rows: pd.DataFrame) -> list[str]:
    """Return the mean over data sets of each of `MEASURES`."""
    return [
        share(rows.loc[rows["setting"] == setting, measure].mean()) for setting, measure in MEASURES
    ]
