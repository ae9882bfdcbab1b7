"""Pools: what a step draws from is decided by its number, whoever draws and whatever came before."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from scmmgpt_tl.train import batches
from scmmgpt_tl.train.batches import draw_batch
from scmmgpt_tl.train.corpus.files import open_cells, read_cells
from scmmgpt_tl.train.corpus.real import BLOCK, RealCells
from scmmgpt_tl.train.draw import CellSource
from scmmgpt_tl.train.material import prepare

TYPES = ("CL:0000084", "CL:0000182", "CL:0000236")
SIZES = {"pool_cells": 2 * BLOCK, "pool_steps": 5}


@pytest.fixture
def streamed(stores, gene_table):
    return [open_cells(stores / name, gene_table) for name in ("rows.h5ad", "chunks.zarr")]


def which(available):
    """Which cells of which studies are there: the first gene counts them."""
    return [(part.study, part.counts[:, 0].toarray().ravel().tolist()) for part in available.cells]


def test_what_is_in_memory_is_always_there(stores, gene_table):
    cells = [read_cells(stores / "rows.h5ad", gene_table)]
    real = RealCells(cells, TYPES, **SIZES)
    assert real.at((0, 0)) is real.at((3, 999))
    found = real.at((0, 0)).rows
    for t, term in enumerate(TYPES):
        assert found[t][0].tolist() == np.flatnonzero(cells[0].terms == term).tolist()


@pytest.mark.parametrize("place", [(0, 0, 0, 0), (0, 0, 1, 12), (4, 1, 0, 7)])
def test_a_pool_can_be_made_again(streamed, place):
    walked, fresh = (RealCells(streamed, TYPES, **SIZES) for _ in range(2))
    for step in range(place[-1]):
        walked.at((*place[:-1], step))
    assert which(walked.at(place)) == which(fresh.at(place))


def test_a_pool_lasts_for_its_steps(streamed):
    real = RealCells(streamed, TYPES, **SIZES)
    pools = [which(real.at((0, 0, step))) for step in range(15)]
    for start in (0, 5, 10):
        assert all(pool == pools[start] for pool in pools[start : start + 5])
    assert pools[0] != pools[5] != pools[10]


@pytest.mark.parametrize("other", [(1, 0, 0), (0, 1, 0)])
def test_runs_and_parts_have_pools_of_their_own(streamed, other):
    real = RealCells(streamed, TYPES, **SIZES)
    assert which(real.at((0, 0, 0))) != which(real.at(other))


def test_rows_of_a_pool_are_of_their_type(streamed):
    cells, rows = RealCells(streamed, TYPES, **SIZES).at((0, 0))
    n = 0
    for t, of_study in rows.items():
        for study, members in of_study.items():
            assert set(cells[study].terms[members]) == {TYPES[t]}
            n += len(members)
    assert n == sum(part.counts.shape[0] for part in cells)


def test_a_rare_type_comes_up_as_often_as_a_common_one(streamed):
    # One of 300 typed cells, in one of five blocks: of two blocks drawn, one or the other has it.
    real = RealCells(streamed[:1], TYPES, **SIZES)
    there = [1 in real.at((0, 0, step)).rows for step in range(0, 200, 5)]
    assert np.mean(there) > 0.5


class Recorded:
    """Counts that know which of their rows were asked for."""

    def __init__(self, counts):
        self.counts, self.shape, self.asked = counts, counts.shape, []

    def __getitem__(self, rows):
        self.asked.append(rows)
        return self.counts[rows]


def test_no_more_is_read_than_pools_of_the_own_parts(streamed):
    counts = Recorded(streamed[0].counts)
    real = RealCells([replace(streamed[0], counts=counts)], TYPES, **SIZES)
    for step in range(10):
        real.at((0, 3, step))
    # Two pools, and one ahead.
    assert len(counts.asked) <= 3
    assert max(map(len, counts.asked)) <= SIZES["pool_cells"]


def test_streamed_cells_join_those_in_memory(streamed, stores, gene_table):
    held = read_cells(stores / "dense.h5ad", gene_table)
    found = RealCells([streamed[0], held], TYPES, **SIZES).at((0, 0))
    assert [part.study for part in found.cells] == ["dense", "rows"]
    assert found.cells[0] is held


@pytest.fixture(scope="module")
def streaming(run_config):
    """The tiny run, with all real cells on disk."""
    config = replace(run_config, cells_in_memory=0, pool_cells=BLOCK, pool_steps=3, real_share=0.5)
    return prepare(config)


def test_a_batch_is_the_same_whoever_draws_it(monkeypatch, streaming):
    assert not any(part.in_memory for part in streaming.cells)
    whole = draw_batch(streaming.source, 24, parts=4, seed=(3, 1, 8))
    for rank in range(2):
        monkeypatch.setattr(batches, "_place", lambda rank=rank: (rank, 2))
        half = draw_batch(streaming.source, 24, parts=4, seed=(3, 1, 8))
        rows = [i for part in (rank, rank + 2) for i in range(6 * part, 6 * part + 6)]
        for name, found in vars(half).items():
            np.testing.assert_array_equal(found, getattr(whole, name)[rows])


def test_streamed_cells_are_those_of_the_file(streaming, material):
    source = CellSource(streaming.profiles, streaming.cells, types=streaming.types, real_share=1.0)
    drawn = source.draw(20, np.random.default_rng(0), at=(0, 0))
    cells = material.cells[0]
    for values, term in zip(drawn.values, drawn.term, strict=True):
        own = cells.counts[cells.terms == streaming.types[term]] > 0
        assert (own @ (values > 0).astype(int)).max() == (values > 0).sum()


@pytest.mark.parametrize("name", ["large.h5ad", "large.zarr"])
def test_memory_is_set_by_the_pool_and_not_by_the_file(gene_table, tmp_path, name):
    n = 20_000
    dense = np.random.default_rng(0).random((n, len(gene_table)), dtype=np.float32) < 0.3
    counts = csr_matrix(dense, dtype=np.float32)
    obs = pd.DataFrame({"cell_type_id": np.array(TYPES)[np.arange(n) % 3], "tissue": "blood"})
    adata = AnnData(counts, obs=obs.set_index(obs.index.astype(str)))
    adata.var_names = list(gene_table.symbols)
    path = tmp_path / name
    adata.write_zarr(path) if path.suffix == ".zarr" else adata.write_h5ad(path)
    in_memory = 8 * counts.nnz
    del adata, counts, dense
    cells = open_cells(path, gene_table)
    real = RealCells([cells], TYPES, pool_cells=512, pool_steps=1)
    tracemalloc.start()
    for step in range(20):
        real.at((0, step))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < in_memory / 3
