"""Doublets and empty droplets: what they are made of, and that the head learns to tell them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scmmgpt_tl import ontology
from scmmgpt_tl.model.droplets import CELL, DOUBLET, EMPTY, EXPECTED
from scmmgpt_tl.train.draw import CellSource
from scmmgpt_tl.train.droplets import SHARES, DropletSource, DropletStage
from scmmgpt_tl.train.material import start_network
from scmmgpt_tl.train.rates import log_normalise

from .conftest import N_MARKERS, TYPES


@pytest.fixture(scope="module")
def source(material):
    return DropletSource(material.source)


@pytest.fixture(scope="module")
def batch(source):
    return source.draw(400, np.random.default_rng(0))


@pytest.fixture
def stage(run_config, material):
    vocabulary = {"n_layers": 2, "vocabulary": 259}
    sizes = run_config.architecture
    sizes = {**sizes, "decoder": {**sizes["decoder"], **vocabulary}}
    config = replace(run_config, architecture=sizes, stage1_cells=64)
    return DropletStage(start_network(config, material), material, config)


def test_shares_of_the_kinds(batch):
    assert batch.counts.shape == batch.measured.shape == (400, 300)
    # Some real cells find no partner in their study, so doublets may be fewer, never more.
    share = np.bincount(batch.kind) / 400
    np.testing.assert_allclose(share, SHARES, atol=0.05)


def test_rows_are_unit_vectors_within_their_panels(batch):
    norm = np.linalg.norm(log_normalise(batch.counts), axis=1)
    np.testing.assert_allclose(norm, 1, atol=1e-5)
    assert not batch.counts[~batch.measured].any()


def test_the_same_generator_gives_the_same_droplets(source, batch):
    again = source.draw(400, np.random.default_rng(0))
    assert all(np.array_equal(a, b) for a, b in zip(again, batch, strict=True))


def test_partners_are_of_one_study_and_of_unrelated_types(source, material):
    profiles, cl = material.profiles, ontology.load()
    assert any(len(partners) for partners in source._partners)
    for p, partners in enumerate(source._partners):
        for q in partners:
            assert profiles.studies[p] == profiles.studies[q]
            assert profiles.panel[p] == profiles.panel[q]
            assert profiles.terms[q] not in cl.line(profiles.terms[p])


def test_doublets_show_two_types_and_empty_droplets_many(batch):
    """Each type of the tiny run has markers of its own: how much of them has the best type?"""
    marked = log_normalise(batch.counts)[:, : N_MARKERS * len(TYPES)]
    marked = marked.reshape(-1, len(TYPES), N_MARKERS).sum(2)
    best = marked.max(1) / marked.sum(1).clip(1e-9)
    cell, doublet, empty = (best[batch.kind == kind].mean() for kind in (CELL, DOUBLET, EMPTY))
    assert cell > doublet + 0.05
    assert cell > empty + 0.05


def test_empty_droplets_are_poor(batch):
    n_genes = (batch.counts > 0).sum(1)
    assert n_genes[batch.kind == EMPTY].mean() < 0.8 * n_genes[batch.kind == CELL].mean()


def test_real_doublets_are_sums_of_two_types(material):
    only_real = CellSource(material.profiles, material.cells, types=material.types, real_share=1.0)
    counts, measured = DropletSource(only_real)._real_doublets(40, np.random.default_rng(3), (0, 0))
    assert len(counts) > 20
    assert not counts[~measured].any()
    single = only_real.draw(40, np.random.default_rng(3))
    assert (counts > 0).sum(1).mean() > (single.counts > 0).sum(1).mean()


def test_without_real_cells_all_doublets_are_drawn(material):
    drawn = CellSource(material.profiles, (), types=material.types, real_share=0.0)
    batch = DropletSource(drawn).draw(100, np.random.default_rng(0))
    assert (batch.kind == DOUBLET).sum() == 30


def test_only_the_head_learns_and_it_learns(stage):
    head = stage.network.droplet_head
    assert [g["params"] for g in stage.groups()] == [list(head.parameters())]
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(head.parameters(), lr=5e-3)
    losses = []
    for step in range(60):
        found = stage(stage.draw(step), step)
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        losses.append(found["loss"].item())
    assert all(p.grad is None for p in stage.network.cell_encoder.parameters())
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])


def test_chances_are_those_of_what_users_have(stage):
    """A head that cannot tell anything says what is expected, not what is in a batch."""
    last = stage.network.droplet_head.layers[-1]
    assert not last.weight.any()
    losses = []
    for expected in (EXPECTED, SHARES):
        last.bias.data = torch.tensor(expected).log()
        losses.append(stage(stage.draw(0), 0)["loss"].item())
    assert losses[0] < losses[1]
