from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from scmmgpt_tl.train.corpus.files import open_cells
from scmmgpt_tl.train.corpus.read import hold_small, read_corpus


@pytest.fixture
def studies(adata, gene_table, tmp_path):
    """Three files, the second of them the smallest."""
    for name, n in (("a", 200), ("b", 40), ("c", 400)):
        adata[:n].copy().write_h5ad(tmp_path / f"{name}.h5ad")
    return [open_cells(tmp_path / f"{name}.h5ad", gene_table) for name in "abc"]


@pytest.mark.parametrize(
    ("share", "held"), [(0, ""), (0.1, "b"), (0.5, "ab"), (0.9, "ab"), (1, "abc")]
)
def test_the_smallest_are_held_as_long_as_all_fit(studies, monkeypatch, share, held):
    monkeypatch.setattr("scmmgpt_tl.train.corpus.read.MB", 1)
    limit = round(share * sum(part.counts.n_bytes for part in studies))
    found = hold_small(studies, limit_mb=limit)
    assert [part.study for part in found] == ["a", "b", "c"]
    assert "".join(part.study for part in found if part.in_memory) == held
    rows = np.arange(20)
    for before, after in zip(studies, found, strict=True):
        assert (before.counts[rows] != after.counts[rows]).nnz == 0


def test_columns_can_be_held_but_not_streamed(stores, gene_table):
    cells = [open_cells(stores / "columns.h5ad", gene_table)]
    assert hold_small(cells, limit_mb=100)[0].in_memory
    with pytest.raises(ValueError, match=r"`X` of 'columns.h5ad' is stored by columns \(CSC\)"):
        hold_small(cells, limit_mb=0)


def test_studies_left_out_of_a_run_are_not_read(run_config, stores, gene_table):
    config = replace(run_config, cells=tuple(sorted(stores.iterdir())), exclude=("chunks", "co"))
    assert [part.study for part in read_corpus(config, gene_table)] == ["dense", "rows"]


def test_a_study_without_types_is_none(run_config, adata, gene_table, tmp_path):
    adata[adata.obs["cell_type_id"] == ""].copy().write_h5ad(tmp_path / "untyped.h5ad")
    shutil.copy(run_config.cells[0], tmp_path / "cells.h5ad")
    config = replace(run_config, cells=tuple(sorted(tmp_path.glob("*.h5ad"))))
    assert [part.study for part in read_corpus(config, gene_table)] == ["cells"]
