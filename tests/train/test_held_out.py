"""Cells kept out of training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scmmgpt_tl.train import held_out
from scmmgpt_tl.train.corpus.files import read_cells


def test_held_out_parts_are_those_of_the_held_out_studies(run_config, gene_table):
    cells, drawn = held_out.held_out_parts(run_config, gene_table)
    real = read_cells(run_config.held_out_cells[0], gene_table)
    assert cells.values.shape == cells.measured.shape == (real.counts.shape[0], 300)
    assert sorted(cells.terms) == sorted(real.terms)
    assert drawn.values.shape == (2000, 300)
    assert set(drawn.terms) <= {
        "CL:0000084", "CL:0000624", "CL:0000236", "CL:0000623", "CL:0000860", "CL:0000182",
    }  # fmt: skip
    for part in (cells, drawn):
        np.testing.assert_allclose(np.linalg.norm(part.values, axis=1), 1, atol=1e-5)


def test_either_kind_of_held_out_material_will_do(run_config, gene_table):
    (cells,) = held_out.held_out_parts(replace(run_config, held_out_studies=()), gene_table)
    assert len(cells.terms) == 60
    (drawn,) = held_out.held_out_parts(replace(run_config, held_out_cells=()), gene_table)
    assert len(drawn.terms) == 2000


def test_nothing_held_out_is_an_error(run_config, gene_table):
    bare = replace(run_config, held_out_studies=(), held_out_cells=())
    with pytest.raises(ValueError, match="needs `held_out_cells` or `held_out_studies`"):
        held_out.held_out_parts(bare, gene_table)
