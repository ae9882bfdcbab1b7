"""Annotation metrics, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from scmmgpt_tl import metrics, ontology

T_CELL, CD4, CD8, B_CELL = "CL:0000084", "CL:0000624", "CL:0000625", "CL:0000236"


@pytest.fixture
def labelled() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.choice(["a", "b", "c"], size=200, p=[0.7, 0.2, 0.1])
    predicted = np.where(rng.random(200) < 0.6, truth, rng.choice(["a", "c", "x", "~"], size=200))
    return truth, predicted


def test_accuracy_agrees_with_sklearn(labelled):
    assert metrics.accuracy(*labelled) == pytest.approx(accuracy_score(*labelled))


def test_macro_f1_agrees_with_sklearn_over_labels_of_the_truth(labelled):
    truth, predicted = labelled
    expected = f1_score(truth, predicted, labels=np.unique(truth), average="macro")
    assert metrics.macro_f1(truth, predicted) == pytest.approx(expected)


def test_macro_f1_reads_objects_and_numbers_alike(labelled):
    truth, predicted = labelled
    as_objects = metrics.macro_f1(truth.astype(object), predicted.astype(object))
    code = {label: i for i, label in enumerate(np.unique([*truth, *predicted]))}
    as_numbers = metrics.macro_f1([code[x] for x in truth], [code[x] for x in predicted])
    assert as_objects == as_numbers == metrics.macro_f1(truth, predicted)


def test_a_label_that_is_never_given_scores_nothing():
    assert metrics.macro_f1(["a", "b"], ["a", "a"]) == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize(
    "metric", [metrics.accuracy, metrics.macro_f1, metrics.consistent, metrics.closeness]
)
@pytest.mark.parametrize(("truth", "predicted"), [(["a"], ["a", "b"]), ([], [])])
def test_one_label_for_each_cell(metric, truth, predicted):
    with pytest.raises(ValueError, match="one label for each of the same cells"):
        metric(truth, predicted)


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        pytest.param(CD4, CD4, True, id="same"),
        pytest.param(CD4, T_CELL, True, id="above"),
        pytest.param(T_CELL, CD4, True, id="below"),
        pytest.param(CD4, CD8, False, id="beside"),
        pytest.param(CD4, B_CELL, False, id="elsewhere"),
        pytest.param(CD4, "", False, id="no-answer"),
        pytest.param("", CD4, False, id="no-truth"),
    ],
)
def test_consistent(truth, predicted, expected):
    assert metrics.consistent([truth], [predicted]).tolist() == [expected]


def test_consistent_understands_deprecated_ids():
    cl = ontology.load()
    old, new = next((o, n) for o, n in cl._replaced_by.items() if n in cl.ids)
    assert metrics.consistent([new], [old]).all()


def test_bootstrap_interval_is_that_of_a_binomial_share():
    truth, predicted = np.ones(400), np.r_[np.ones(300), np.zeros(100)]
    low, high = metrics.bootstrap_interval(
        metrics.accuracy, truth, predicted, rng=np.random.default_rng(0)
    )
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.008)


def test_bootstrap_interval_depends_on_the_generator_alone(labelled):
    first, again = (
        metrics.bootstrap_interval(
            metrics.macro_f1, *labelled, rng=np.random.default_rng(3), n_resamples=50
        )
        for _ in range(2)
    )
    assert first == again
    assert first[0] < metrics.macro_f1(*labelled) < first[1]


def test_closeness_is_the_f1_of_two_sets_of_ancestors():
    cl = ontology.load()
    own = [{t} | cl.ancestors(t) for t in (CD4, CD8)]
    own = [terms - ontology._lineage.PROPERTY_TERMS - {"CL:0000000"} for terms in own]
    both = len(own[0] & own[1])
    precision, recall = both / len(own[1]), both / len(own[0])
    expected = 2 * precision * recall / (precision + recall)
    assert metrics.closeness([CD4], [CD8])[0] == pytest.approx(expected)


def test_nearer_answers_are_closer_and_direction_does_not_matter():
    near, far = metrics.closeness([CD4, CD4], [CD8, B_CELL])
    assert 1 > near > far > 0
    assert metrics.closeness([B_CELL], [CD4])[0] == far
    assert not metrics.closeness([CD4, ""], ["", CD4]).any()


def test_ontology_f1_counts_a_rare_label_as_a_common_one():
    found = metrics.ontology_f1([B_CELL] * 9 + [CD4], [B_CELL] * 9 + [CD8])
    assert found == pytest.approx((1 + metrics.closeness([CD4], [CD8])[0]) / 2)
