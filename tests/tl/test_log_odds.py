from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl import ontology
from scmmgpt_tl.model.markers import MarkerTable
from scmmgpt_tl.tl._answers.scoring import scoring
from scmmgpt_tl.tl._explanation.attribute import IntegratedGradients
from scmmgpt_tl.tl._explanation.log_odds import LogOdds, log_odds
from scmmgpt_tl.tl._labels import resolve_labels

TERMS = ["T cell", "B cell", "monocyte"]
NEW = ["T cell", "B cell", "neuron", "astrocyte"]
DESCRIBED = {"a": "a cell with CD3D", "b": "a cell with CD79A"}


@pytest.fixture
def marked(tiny_model):
    """The tiny model, which believes in made up markers of two of its labels."""
    table = csr_matrix(np.abs(np.random.default_rng(3).normal(size=(2, len(tiny_model.genes)))))
    markers = MarkerTable(("CL:0000084", "CL:0000236"), table.rint().tocsr(), table)
    calibration = replace(tiny_model.calibration, marker_weight=0.3, prior=0.7)
    return replace(tiny_model, markers=markers, calibration=calibration)


@pytest.fixture
def rows(tiny_model):
    chance = np.random.default_rng(1)
    counts = chance.poisson(3, (9, len(tiny_model.genes))) * (
        chance.random((9, len(tiny_model.genes))) < 0.3
    )
    return csr_matrix(counts.astype(np.float32))


def open_odds(labels, model):
    cl = ontology.load()
    asked = resolve_labels(labels, own=model.labels, tissue=None, ontology=cl)
    measured = np.random.default_rng(0).random(len(model.genes)) < 0.9
    how = scoring(asked, model, ontology=cl, measured=measured)
    return LogOdds(model, how, measured)


def values_of(rows, model):
    ids, values, offsets = model.network.cell_encoder.tokenizer(rows)
    return torch.from_numpy(csr_matrix((values, ids, offsets), shape=rows.shape).toarray())


@pytest.mark.parametrize("which", ["tiny_model", "marked"])
@pytest.mark.parametrize("labels", [None, TERMS, NEW, ["neuron", "astrocyte"], DESCRIBED])
def test_it_says_what_the_scoring_says(request, rows, which, labels):
    model = request.getfixturevalue(which)
    odds = open_odds(labels, model)
    rows = csr_matrix(rows.multiply(odds.measured))
    states = model.encode_cells(rows, odds.measured)
    cosine = model.similarity(states.projected, odds.how.text).numpy()
    with torch.no_grad():
        found = odds.log_scores(values_of(rows, model)).softmax(-1).numpy()
    np.testing.assert_allclose(found, odds.how.probabilities(cosine, rows), atol=2e-6)
    if which == "marked" and labels is TERMS:
        assert odds.how.witness is not None


def test_sets_of_labels():
    p = torch.tensor([[0.5, 0.2, 0.2, 0.1]], dtype=torch.float64)
    sides = torch.tensor([[[True, True, False, False], [False, False, True, True]]])
    assert log_odds(p.log(), sides).item() == pytest.approx(np.log(0.7 / 0.3))


def test_gradients_are_integrated_as_the_rule_says(rows, marked):
    odds = open_odds(TERMS, marked)
    rows = csr_matrix(rows.multiply(odds.measured))
    sides = np.zeros((9, 2, 3), dtype=bool)
    sides[:, 0, 0] = sides[:, 1, 1] = True
    found = IntegratedGradients(odds, n_steps=20)(rows, sides)
    values = values_of(rows, marked)
    start = odds.average_cell.where(values == 0, torch.zeros(()))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    total = torch.zeros_like(values, dtype=torch.float64)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        at = (start + node * (values - start)).requires_grad_()
        (gradient,) = torch.autograd.grad(odds(at, torch.from_numpy(sides)).sum(), at)
        total += weight * gradient
    expected = total * (values - start)
    np.testing.assert_allclose(found.genes, expected.numpy(), atol=1e-5)
    # Markers that are as clear as can be, and the best query, make corners: it takes many points.
    fine = IntegratedGradients(odds, n_steps=400)(rows, sides)
    np.testing.assert_allclose(fine.genes.sum(1), fine.log_odds - fine.start, atol=0.02)
    # A gene that was not measured has no say.
    assert not found.genes[:, ~odds.measured].any()


def test_markers_look_at_proportions_alone(rows, marked):
    # Why the way does not start from a cell without genes.
    odds = open_odds(TERMS, marked)
    values = values_of(rows, marked)
    with torch.no_grad():
        said = odds._evidence(values.double()), odds._evidence(values.double() / 3)
    np.testing.assert_allclose(*said, atol=1e-6)
