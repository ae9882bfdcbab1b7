from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology._share_out import compatible, share_out
from scmmgpt_tl.tl._labels import resolve_labels
from scmmgpt_tl.tl._scoring import scoring


def of(labels, model):
    cl = ontology.load()
    asked = resolve_labels(labels, own=model.labels, tissue=None, ontology=cl)
    return asked, scoring(asked, model, ontology=cl)


def similarities(how):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (6, len(how.text))).astype(np.float32)


def test_own_labels_are_scored_with_their_prior(tiny_model):
    asked, how = of(None, tiny_model)
    np.testing.assert_array_equal(how.text, tiny_model.label_embeddings)
    cosine = similarities(how)
    expected = tiny_model.calibration.probabilities(cosine, asked.n_profiles)
    np.testing.assert_array_equal(how.probabilities(cosine), expected)


def test_described_labels_are_scored_by_their_words_alone(tiny_model):
    asked, how = of({"T cell": "with CD3", "B cell": "with CD79A"}, tiny_model)
    assert how.text.shape[0] == len(asked) == 2
    cosine = similarities(how)
    expected = softmax(cosine / tiny_model.calibration.text_temperature, axis=1)
    np.testing.assert_allclose(how.probabilities(cosine), expected, rtol=1e-5)


def test_labels_outside_the_ontology_are_scored_by_their_words_alone(tiny_model):
    with pytest.warns(UserWarning, match="The Cell Ontology has no"):
        _, how = of(["cells from the moon", "cells from mars"], tiny_model)
    assert how.text.shape[0] == 2


def test_terms_share_what_the_own_labels_get(tiny_model):
    asked, how = of(["T cell", "B cell", "hepatocyte"], tiny_model)
    assert how.text.shape[0] == 3 + len(tiny_model.labels)
    cosine = similarities(how)
    calibration = tiny_model.calibration
    expected = share_out(
        calibration.probabilities(cosine[:, 3:]),
        compatible(tiny_model.labels.cl_ids, asked.cl_ids, ontology=ontology.load()),
        calibration.text_probabilities(cosine[:, :3]),
    )
    np.testing.assert_allclose(how.probabilities(cosine), expected, rtol=1e-5)
    np.testing.assert_allclose(how.probabilities(cosine).sum(1), 1, rtol=1e-5)
