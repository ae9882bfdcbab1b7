"""How much of a cell the model reads."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scmmgpt_tl.model.coverage import coverage, reach


def test_reach_weighs_genes_by_the_average_cell():
    network = SimpleNamespace(cell_encoder=SimpleNamespace(average=torch.tensor([6.0, 3.0, 1.0])))
    assert reach(network, np.array([True, False, True])) == pytest.approx(0.7)


def test_genes_weigh_the_same_where_no_average_cell_is_known():
    assert reach(object(), np.array([True, False, True, False])) == 0.5


def test_coverage_is_what_both_have_of_what_either_has():
    # 60 molecules of genes that both have, 20 of the file's own, 40 that the file did not measure.
    found = coverage(np.array([60 / 80]), 60 / 100)
    assert found == pytest.approx(60 / 120)
    assert found.dtype == np.float32


@pytest.mark.parametrize(("known", "of_model", "expected"), [(1, 1, 1), (0, 1, 0), (1, 0.3, 0.3)])
def test_ends(known, of_model, expected):
    assert coverage(np.array([float(known)]), float(of_model)) == pytest.approx(expected)
