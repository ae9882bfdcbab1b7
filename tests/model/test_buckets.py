from __future__ import annotations

import numpy as np
import pytest
import torch

from scmmgpt_tl.model.buckets import buckets


@pytest.mark.parametrize("budget", [1, 50, 10_000])
def test_every_cell_once_and_never_above_the_budget(budget):
    lengths = torch.from_numpy(np.random.default_rng(0).integers(0, 90, 200))
    found = list(buckets(lengths, budget=budget))
    assert sorted(torch.cat(found).tolist()) == list(range(200))
    for cells in found:
        assert len(cells) == 1 or len(cells) * int(lengths[cells].max()) <= budget


def test_little_padding():
    lengths = torch.from_numpy(np.random.default_rng(0).integers(1, 1000, 500))
    found = list(buckets(lengths, budget=4096))
    places = sum(len(cells) * int(lengths[cells].max()) for cells in found)
    assert places < 1.05 * int(lengths.sum())


def test_no_cells():
    assert list(buckets(torch.zeros(0, dtype=torch.int64), budget=5)) == []
