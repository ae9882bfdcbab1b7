"""One cell, two, or none: what the head reads, and that each droplet is judged by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.droplet_head import DropletHead, richness
from scmmgpt_tl.model.droplets import CELL, DOUBLET, EMPTY, EXPECTED, KINDS


@pytest.fixture
def rows(default_model):
    rng = np.random.default_rng(0)
    return csr_matrix(rng.poisson(0.4, (7, len(default_model.genes))).astype(np.float32))


def test_kinds_and_their_places():
    assert [KINDS[CELL], KINDS[DOUBLET], KINDS[EMPTY]] == ["cell", "doublet", "empty droplet"]


def test_richness_of_a_typical_droplet_is_zero():
    found = richness(torch.tensor([999, 99]), torch.tensor([10_000, 500]))
    expected = [[0, 0], [np.log(0.1), np.log(2)]]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_richness_of_nothing_is_finite():
    assert richness(torch.tensor([0]), torch.tensor(0)).isfinite().all()


def test_an_untrained_head_says_what_is_expected():
    found = DropletHead(8).eval()(torch.randn(3, 8), torch.randn(3, 2)).softmax(1)
    np.testing.assert_allclose(found.detach(), [EXPECTED] * 3, rtol=1e-5)


def test_the_head_reads_states_and_richness():
    head = DropletHead(8).eval()
    torch.nn.init.normal_(head.layers[-1].weight)
    mean, found = torch.randn(3, 8), torch.randn(3, 2)
    logits = head(mean, found)
    assert logits.shape == (3, 3)
    assert not torch.allclose(head(mean.flip(1), found), logits)
    assert not torch.allclose(head(mean, found + 1), logits)


def test_every_droplet_is_judged_by_itself(default_model, rows):
    def judge(some):
        return default_model.judge_droplets(default_model.encode_cells(some), some)

    whole = judge(rows)
    assert whole.shape == (7, 3)
    np.testing.assert_allclose(whole.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.concatenate([judge(rows[:2]), judge(rows[2:])]), whole, atol=1e-6)


def test_a_panel_makes_a_droplet_richer(default_model, rows):
    states = default_model.encode_cells(rows)
    every = default_model.judge_droplets(states, rows)
    half = np.arange(len(default_model.genes)) % 2 == 0
    assert not np.allclose(default_model.judge_droplets(states, rows, half), every)
