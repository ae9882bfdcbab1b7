from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax

from scmmgpt_tl import ontology
from scmmgpt_tl._expression import log_expression
from scmmgpt_tl.model.markers import MarkerTable, evidence
from scmmgpt_tl.ontology._share_out import Sharing
from scmmgpt_tl.tl._answers.scoring import scoring
from scmmgpt_tl.tl._labels import resolve_labels


def of(labels, model):
    cl = ontology.load()
    asked = resolve_labels(labels, own=model.labels, tissue=None, ontology=cl)
    measured = np.ones(len(model.genes), dtype=bool)
    return asked, scoring(asked, model, ontology=cl, measured=measured)


def similarities(how):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (6, len(how.text))).astype(np.float32)


def test_own_labels_are_scored_with_their_prior(tiny_model):
    asked, how = of(None, tiny_model)
    np.testing.assert_array_equal(how.text, tiny_model.label_embeddings)
    cosine = similarities(how)
    expected = tiny_model.calibration.probabilities(cosine, asked.n_profiles)
    np.testing.assert_array_equal(how.by_similarity(cosine), expected)


def test_described_labels_are_scored_by_their_words_alone(tiny_model):
    asked, how = of({"T cell": "with CD3", "B cell": "with CD79A"}, tiny_model)
    assert how.text.shape[0] == len(asked) == 2
    cosine = similarities(how)
    expected = softmax(cosine / tiny_model.calibration.text_temperature, axis=1)
    np.testing.assert_allclose(how.by_similarity(cosine), expected, rtol=1e-5)


def test_labels_outside_the_ontology_are_scored_by_their_words_alone(tiny_model):
    with pytest.warns(UserWarning, match="The Cell Ontology has no"):
        _, how = of(["cells from the moon", "cells from mars"], tiny_model)
    assert how.text.shape[0] == 2


def test_terms_share_what_the_own_labels_get(tiny_model):
    asked, how = of(["T cell", "B cell", "hepatocyte"], tiny_model)
    assert how.text.shape[0] == 3 + len(tiny_model.labels)
    cosine = similarities(how)
    calibration = tiny_model.calibration
    own = tiny_model.labels.cl_ids
    sharing = Sharing.between(own, asked.cl_ids, ontology=ontology.load())
    expected = sharing.share_out(
        calibration.probabilities(cosine[:, 3:]), calibration.text_probabilities(cosine[:, :3])
    )
    np.testing.assert_allclose(how.by_similarity(cosine), expected, rtol=1e-5)
    np.testing.assert_allclose(how.by_similarity(cosine).sum(1), 1, rtol=1e-5)


def test_a_label_that_names_a_kind_gets_what_cells_of_that_kind_get(tiny_model):
    with pytest.warns(UserWarning, match="taken for some T cell"):
        _, how = of(["T cells, odd ones", "hepatocyte"], tiny_model)
    cosine = np.zeros((1, how.text.shape[0]), dtype=np.float32)
    cosine[0, 2 + tiny_model.labels.cl_ids.index("CL:0000624")] = 1
    assert how.by_similarity(cosine)[0].argmax() == 0


@pytest.fixture
def with_markers(tiny_model):
    """The tiny model with ten curated markers of T cells and ten contrasts of both."""
    nothing = np.zeros((2, len(tiny_model.genes)), dtype=np.float32)
    sources, contrast = nothing.copy(), nothing.copy()
    sources[0, :10], contrast[0, 5:15], contrast[1, 10:20] = 2, 1, 3
    table = MarkerTable(
        ("CL:0000084", "CL:0000236"), sparse.csr_matrix(sources), sparse.csr_matrix(contrast)
    )
    believed = replace(tiny_model.calibration, marker_weight=0.5)
    return replace(tiny_model, markers=table, calibration=believed)


def test_marker_genes_are_heard(with_markers):
    asked, how = of(["T cell", "B cell", "hepatocyte"], with_markers)
    cosine = similarities(how)
    rows = sparse.csr_matrix(
        np.random.default_rng(0).poisson(1.0, (6, len(with_markers.genes))).astype(np.float32)
    )
    measured = np.ones(len(with_markers.genes), dtype=bool)
    weights = with_markers.markers.weights(
        asked.cl_ids, measured, ontology=ontology.load(), by_contrast=True
    )
    assert weights.getnnz(axis=0).tolist() == [15, 10, 0]
    said = evidence(log_expression(rows), weights, measured)
    before = how.by_similarity(cosine)
    expected = softmax(np.log(before + 1e-4) + 0.5 * said, axis=1)
    np.testing.assert_allclose(how.probabilities(cosine, rows), expected, rtol=1e-4)


def test_own_labels_hear_curated_markers_only(with_markers):
    asked, how = of(None, with_markers)
    known = dict(zip(asked.cl_ids, how.witness.weights.getnnz(axis=0), strict=True))
    assert known["CL:0000236"] == 0
    assert known["CL:0000084"] == 10


def test_described_labels_hear_none(with_markers):
    _, how = of({"T cell": "with CD3", "B cell": "with CD79A"}, with_markers)
    assert how.witness is None


def test_a_model_that_does_not_believe_markers_does_not_ask(with_markers):
    deaf = replace(with_markers, calibration=replace(with_markers.calibration, marker_weight=0.0))
    assert of(None, deaf)[1].witness is None
