from __future__ import annotations

import leave_study_out
import pandas as pd
import pytest

from scmmgpt_tl.train.config import RunConfig

from ..train.conftest import one_wording, run_file  # noqa: F401 - fixtures

pytestmark = [
    pytest.mark.xdist_group("run"),
    pytest.mark.filterwarnings("ignore:The Cell Ontology has no"),
]


def test_what_is_tested_on_is_not_learned_from(tmp_path, run_file):  # noqa: F811
    config = RunConfig.read(run_file)
    folder = run_file.parent
    same, other = folder / "cells.h5ad", folder / "held.h5ad"
    run = leave_study_out.with_others(config, [same], [same, other])
    assert run.cells == (*config.cells, other)
    assert run.keep_out == (same,)


def test_whole_run(options, bench_folder, run_file):  # noqa: F811
    more = ["--config", str(run_file), "--warm-up", "4", "--stage1", "2", "--groups", "2"]
    leave_study_out.main([*options, *more])
    rows = pd.read_csv(bench_folder / "out" / "leave_study_out.csv")
    assert set(rows["protocol"]) == {leave_study_out.ALONE, leave_study_out.TOGETHER}
    for _, own in rows.groupby("protocol"):
        assert own.loc[own["setting"] == "closed", "data_set"].is_unique
    page = (bench_folder / "docs" / "benchmarks.md").read_text()
    assert "| the other data sets as well |" in page
    assert "old leave_study_out" not in page
