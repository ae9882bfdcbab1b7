from __future__ import annotations

import numpy as np
import pytest
import torch

from scmmgpt_tl.model.buckets import buckets, places_at_once, suits_a_core


def test_fewer_places_of_a_network_that_takes_more_memory():
    network = torch.nn.Identity()
    assert places_at_once(torch.device("cpu"), network) == places_at_once(torch.device("cpu"))
    network.place_cost = 2.0
    assert places_at_once(torch.device("cpu"), network) == 256
    assert places_at_once(torch.device("cuda"), network) == 65_536
    network.place_cost = 1e9
    assert places_at_once(torch.device("cpu"), network) == 1


def test_cores_share_the_cells_of_a_network_that_takes_more_memory():
    network = torch.nn.Identity()
    assert suits_a_core(network)
    network.place_cost = 2.0
    assert not suits_a_core(network)


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
