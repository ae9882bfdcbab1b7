from __future__ import annotations

from dataclasses import fields

import ablation
import pandas as pd
import pytest

from scmmgpt_tl.train.config import RunConfig

from ..train.conftest import one_wording, run_file  # noqa: F401 - fixtures

pytestmark = [
    pytest.mark.xdist_group("run"),
    pytest.mark.filterwarnings("ignore:The Cell Ontology has no"),
]


def test_variants_change_what_a_run_has():
    known = {item.name for item in fields(RunConfig)}
    assert all(known.issuperset(changes) for changes in ablation.VARIANTS.values())
    assert not ablation.VARIANTS[ablation.WHOLE]


def test_whole_run(options, bench_folder, run_file):  # noqa: F811
    variants = [ablation.WHOLE, "labels only, texts untrained", "real cells only"]
    more = ["--config", str(run_file), "--seeds", "0", "1", "--warm-up", "4", "--stage1", "2"]
    ablation.main([*options, *more, "--variants", *variants])
    rows = pd.read_csv(bench_folder / "out" / "ablation.csv")
    assert set(rows["variant"]) == set(variants)
    assert set(rows["seed"]) == {0, 1}
    # What was trained is not trained again, and another variant is another model.
    of_run = rows[rows["setting"] == "closed"].groupby(["variant", "seed"])["accuracy"].first()
    assert of_run.between(0, 1).all()
    runs = bench_folder / "out" / "ablation"
    assert len(list(runs.glob("*/bundle/config.json"))) == 6
    steps = {
        variant: len(
            pd.read_csv(next(runs.glob(f"{variant}*-0")) / "curves/stage1/version_0/metrics.csv")
        )
        for variant in ("all", "labels_only")
    }
    assert steps["all"] == steps["labels_only"] == 6
    page = (bench_folder / "docs" / "benchmarks.md").read_text()
    assert "| real cells only |" in page
    assert "old ablation" not in page
