from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl import ontology
from scmmgpt_tl.model.droplets import CELL
from scmmgpt_tl.model.scmmgpt import CellStates
from scmmgpt_tl.tl._answers.scoring import scoring
from scmmgpt_tl.tl._kernels import GroupSums, cosines, probabilities
from scmmgpt_tl.tl._labels import resolve_labels

STATE_WIDTH = 16


def states(n, seed=0):
    torch.manual_seed(seed)
    projected = torch.nn.functional.normalize(torch.randn(n, 3, 16), dim=-1)
    mean = torch.randn(n, STATE_WIDTH)
    return CellStates(torch.randn(n, 2, 5), projected, projected[:, 0], mean)


def test_probabilities_and_empty_cells(tiny_model):
    rows = csr_matrix(np.array([[1, 2], [0, 0]], dtype=np.float32))
    cl = ontology.load()
    own = resolve_labels(None, own=tiny_model.labels, tissue=None, ontology=cl)
    measured = np.ones(len(tiny_model.genes), dtype=bool)
    how = scoring(own, tiny_model, ontology=cl, measured=measured)
    found = probabilities(tiny_model, how, measured=measured)(states(2), rows)
    assert found["n_genes"].tolist() == [2, 0]
    n = len(tiny_model.labels)
    # What is missing to 1 is the chance that there is no cell, or more than one.
    np.testing.assert_allclose(found["droplet"].sum(axis=1), 1, rtol=1e-5)
    one_cell = found["droplet"][0, CELL]
    assert 0 < one_cell < 1
    np.testing.assert_allclose(found["p"].sum(axis=1), [one_cell, 1], rtol=1e-5)
    np.testing.assert_allclose(found["p"][1], 1 / n, rtol=1e-5)
    cosine = (states(2).projected[0].numpy() @ tiny_model.label_embeddings.T).max(axis=0)
    weight = np.exp((cosine - cosine.max()) / tiny_model.calibration.temperature)
    np.testing.assert_allclose(
        found["p"][0], one_cell * weight / weight.sum(), rtol=1e-3, atol=1e-6
    )


def test_cosine_of_a_cell_without_counts_is_zero(tiny_model):
    rows = csr_matrix((2, 4), dtype=np.float32)
    found = cosines(tiny_model, tiny_model.label_embeddings[:2])(states(2), rows)
    np.testing.assert_array_equal(found["cosine"], np.zeros((2, 2)))


def test_group_sums_against_a_loop():
    codes = np.array([0, 1, 0, -1, 1, 0])
    counts = np.ones((6, 4), dtype=np.float32)
    counts[2] = 0
    sums = GroupSums(codes, 3, min_genes=2)
    batches = [slice(0, 4), slice(4, 6)]
    parts = [states(4, seed=1), states(2, seed=2)]
    for rows, part in zip(batches, parts, strict=True):
        sums.add(part.queries.numpy(), csr_matrix(counts[rows]))
    queries = torch.cat([part.queries for part in parts]).numpy()
    expected = [queries[[0, 5]].mean(axis=0), queries[[1, 4]].mean(axis=0), np.zeros((2, 5))]
    np.testing.assert_allclose(sums.means(), expected, rtol=1e-5, atol=1e-7)


def test_group_sums_of_no_cells():
    sums = GroupSums(np.array([], dtype=int), 0, min_genes=1)
    sums.add(
        states(1).queries.numpy(), csr_matrix((1, 4), dtype=np.float32)
    )  # how a run learns its shapes
    assert sums.means().shape == (0, 2, 5)
