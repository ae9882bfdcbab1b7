from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl.tl._integration.label_shift import beside, remove_shifts

TYPES = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]])


@pytest.fixture
def cells():
    """Three types in two batches, of which the second lacks most cells of the first type."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2, 0, 1, 2], [300, 100, 100, 20, 300, 300])
    batch = np.repeat([0, 1], [500, 620])
    place = TYPES[truth] + rng.normal(size=(len(truth), 3)) * 0.5
    return truth, batch, place


def gaps(place, truth, batch):
    """Distance between the two batches' means inside each type."""
    means = [[place[(truth == k) & (batch == b)].mean(0) for k in range(3)] for b in (0, 1)]
    return np.linalg.norm(np.subtract(*means), axis=1)


def test_a_shift_that_labels_share_is_found_in_unlike_company(cells):
    truth, batch, place = cells
    place = place + np.array([0, 0, 8.0]) * batch[:, None]
    p = np.eye(3)[truth]
    assert (gaps(place, truth, batch) > 7).all()
    after = remove_shifts(place, p, batch)
    assert (gaps(after, truth, batch) < 0.2).all()
    # Batches with one label for all would be brought together by their means: types get mixed.
    assert gaps(remove_shifts(place, np.ones((len(p), 1)), batch), truth, batch).max() > 3
    centres = np.stack([after[truth == k].mean(0) for k in range(3)])
    np.testing.assert_allclose(np.linalg.norm(centres[1] - centres[0]), 10, atol=0.5)


def test_a_shift_of_one_label_alone_is_found(cells):
    truth, batch, place = cells
    place = place + np.array([0, 0, 4.0]) * ((batch == 1) & (truth == 2))[:, None]
    before, after = (
        gaps(x, truth, batch) for x in (place, remove_shifts(place, np.eye(3)[truth], batch))
    )
    assert after[2] < 0.5 * before[2]
    assert after[:2].max() < 1.5


def test_a_label_of_one_batch_goes_with_its_batch():
    rng = np.random.default_rng(1)
    truth, batch = np.repeat([0, 0, 1], 200), np.repeat([0, 1, 1], 200)
    place = TYPES[truth] + rng.normal(size=(600, 3)) + np.array([0, 0, 6.0]) * batch[:, None]
    after = remove_shifts(place, np.eye(2)[truth], batch)
    gap = after[truth == 1].mean(0) - after[truth == 0].mean(0)
    np.testing.assert_allclose(gap, [10, 0, 0], atol=0.3)


def test_without_a_shift_little_happens(cells):
    truth, batch, place = cells
    after = remove_shifts(place, np.eye(3)[truth], batch)
    assert np.linalg.norm(after - (place - place.mean(0)), axis=1).max() < 0.3


def test_order_and_names_of_batches_do_not_matter(cells):
    truth, batch, place = cells
    p = np.random.default_rng(2).dirichlet(np.ones(4), size=len(truth))
    found = remove_shifts(place, p, batch)
    turn = np.random.default_rng(3).permutation(len(truth))
    np.testing.assert_allclose(remove_shifts(place[turn], p[turn], batch[turn]), found[turn])
    np.testing.assert_allclose(remove_shifts(place, p, 1 - batch), found)
    # Only proportions count, as those of a droplet that may hold two cells.
    np.testing.assert_allclose(remove_shifts(place, p / 3, batch), found)


def test_representations_beside_each_other_weigh_the_same():
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(size=(50, 40)) * 100, rng.normal(size=(50, 2))
    found = beside([wide, narrow, np.ones((50, 3))])
    assert found.shape == (50, 45)
    for part in (found[:, :40], found[:, 40:42]):
        np.testing.assert_allclose(np.square(part).sum(1).mean(), 1)
    assert not found[:, 42:].any()
