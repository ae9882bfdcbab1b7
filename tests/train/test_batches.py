from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from scmmgpt_tl.train import batches
from scmmgpt_tl.train.batches import Batches, draw_batch, gather, mean_over_all, own_parts


def place(monkeypatch, rank, world):
    monkeypatch.setattr(batches, "_place", lambda: (rank, world))


@pytest.mark.parametrize("world", [1, 2, 4])
def test_processes_deal_out_all_parts(monkeypatch, world):
    dealt = []
    for rank in range(world):
        place(monkeypatch, rank, world)
        dealt += own_parts(4)
        assert len(own_parts(4)) == 4 // world
    assert sorted(dealt) == [0, 1, 2, 3]


def test_parts_that_cannot_be_dealt_out(monkeypatch):
    place(monkeypatch, 0, 3)
    with pytest.raises(ValueError, match=r"`parts` is 4, which 3 processes cannot share evenly"):
        own_parts(4)


def test_a_batch_is_the_same_whoever_draws_it(monkeypatch, material):
    whole = draw_batch(material.source, 24, parts=4, seed=(3, 1))
    assert whole.values.shape == (24, 300)
    np.testing.assert_allclose(np.linalg.norm(whole.values, axis=1), 1, atol=1e-5)
    for rank in range(2):
        place(monkeypatch, rank, 2)
        half = draw_batch(material.source, 24, parts=4, seed=(3, 1))
        rows = [i for part in own_parts(4) for i in range(6 * part, 6 * part + 6)]
        for name in ("counts", "measured", "term", "profile"):
            assert np.array_equal(getattr(half, name), getattr(whole, name)[rows])


def test_steps_and_seeds_differ(material):
    first = draw_batch(material.source, 8, parts=2, seed=(3, 1))
    for seed in ((3, 2), (4, 1)):
        other = draw_batch(material.source, 8, parts=2, seed=seed)
        assert not np.array_equal(first.counts, other.counts)


def test_batches_begin_where_they_are_told():
    assert list(islice(Batches(lambda step: 10 * step, first=lambda: 7), 3)) == [70, 80, 90]


def test_one_process_gathers_nothing():
    rows = torch.ones(2, 3, requires_grad=True)
    assert gather(rows) is rows
    assert mean_over_all(torch.tensor(2.0), 5) == 2
