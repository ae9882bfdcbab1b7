from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl import ontology
from scmmgpt_tl.model.calibration import Calibration
from scmmgpt_tl.tl._answers.decide import Level, Rule, decide, read_level
from scmmgpt_tl.tl._labels import LabelSet

LABELS = LabelSet(
    ("CD4 T", "CD8 T", "B", "hepatocyte", "my cell"),
    ("CL:0000624", "CL:0000625", "CL:0000236", "CL:0000182", ""),
)
AS_IT_IS = Calibration(1.0, 1.0, 0.0, 0.5, 5)
WARY = Calibration(1.0, 1.0, -1.0, 0.2, 5)


def rule(level=None, *, threshold=0.5, calibration=AS_IT_IS):
    cl = ontology.load()
    return Rule(read_level(level, labels=LABELS, ontology=cl), threshold, calibration, cl)


def answer(p, **choices):
    return decide(np.array([p]), LABELS, rule(**choices))


def test_best_label():
    found = answer([0.1, 0.6, 0.3, 0.0, 0.0])
    assert found.labels.tolist() == ["CD8 T"]
    assert found.cl_ids.tolist() == ["CL:0000625"]
    assert found.scores == pytest.approx([0.6])
    assert found.margins == pytest.approx([0.3])
    assert found.runners_up.tolist() == ["B"]


def test_what_is_above_or_below_a_label_speaks_for_it():
    labels = LabelSet(
        ("T cell", "CD8 T", "CD4 T", "B"), ("CL:0000084", "CL:0000625", "CL:0000624", "CL:0000236")
    )
    cl = ontology.load()
    plain = Rule(Level("label"), 0.5, AS_IT_IS, cl)
    found = decide(np.array([[0.3, 0.4, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1]]), labels, plain)
    assert found.labels.tolist() == ["CD8 T", "T cell"]
    assert found.scores == pytest.approx([0.4 + 0.3, 0.4 + 0.3 + 0.2])
    assert found.support == pytest.approx([0.4, 0.4])


def test_low_score_is_unknown_with_a_score():
    found = answer([0.1, 0.4, 0.3, 0.1, 0.1])
    assert found.labels.tolist() == ["unknown"]
    assert found.cl_ids.tolist() == [""]
    assert found.scores == pytest.approx([0.4])


def test_score_is_calibrated_and_margin_is_not():
    found = answer([0.1, 0.6, 0.3, 0.0, 0.0], threshold=0.3, calibration=WARY)
    assert found.labels.tolist() == ["CD8 T"]
    # Odds of 0.6, divided by e.
    assert found.scores == pytest.approx([1.5 / (1.5 + np.e)])
    assert found.support == pytest.approx([0.6])
    assert found.margins == pytest.approx([0.3])


def test_ties_go_to_the_first_label():
    found = answer([0.4, 0.4, 0.2, 0.0, 0.0], threshold=0.1)
    assert found.labels.tolist() == ["CD4 T"]
    assert found.runners_up.tolist() == ["CD8 T"]
    assert found.margins.tolist() == [0.0]


def test_deepest_term():
    found = answer([0.5, 0.4, 0.06, 0.04, 0.0], level="deepest", threshold=0.8)
    assert found.labels.tolist() == ["mature alpha-beta T cell"]
    assert found.cl_ids.tolist() == ["CL:0000791"]
    assert found.scores == pytest.approx([0.9])
    assert found.margins == pytest.approx([0.9 - 0.06])
    assert found.runners_up.tolist() == ["B"]


def test_deepest_keeps_the_name_of_a_label():
    assert answer([0.9, 0.1, 0, 0, 0], level="deepest").labels.tolist() == ["CD4 T"]


def test_deepest_root_is_no_answer():
    found = answer([0.25, 0.0, 0.25, 0.5, 0.0], level="deepest", threshold=0.8)
    assert found.labels.tolist() == ["unknown"]
    assert found.cl_ids.tolist() == [""]


def test_deepest_label_outside_the_ontology():
    found = answer([0.1, 0.0, 0.1, 0.0, 0.8], level="deepest", threshold=0.7)
    assert found.labels.tolist() == ["my cell"]
    assert found.cl_ids.tolist() == [""]
    assert found.margins == pytest.approx([0.7])


def test_terms_add_up_what_is_below_them():
    found = answer([0.3, 0.3, 0.3, 0.1, 0.0], level=["T cell", "B cells", "hepatocyte"])
    assert found.labels.tolist() == ["T cell"]
    assert found.scores == pytest.approx([0.6])
    assert found.margins == pytest.approx([0.3])


def test_a_label_counts_for_its_most_specific_term():
    level = ["lymphocyte", "T cell", "hepatocyte"]
    assert answer([0.3, 0.3, 0.3, 0.1, 0.0], level=level).labels.tolist() == ["T cell"]
    assert answer([0.1, 0.1, 0.7, 0.1, 0.0], level=level).labels.tolist() == ["lymphocyte"]


def test_rows_do_not_matter_to_each_other():
    p = np.random.default_rng(0).dirichlet(np.full(5, 0.5), size=40)
    for level in (None, "deepest", ["T cell", "B cell", "hepatocyte"]):
        whole = decide(p, LABELS, rule(level))
        for row in range(len(p)):
            alone = decide(p[[row]], LABELS, rule(level))
            assert alone.labels[0] == whole.labels[row]
            assert alone.runners_up[0] == whole.runners_up[row]
            assert alone.margins[0] == pytest.approx(whole.margins[row])


@pytest.mark.parametrize(
    ("level", "match"),
    [
        pytest.param("coarse", "None, 'deepest' or a list of at least two", id="word"),
        pytest.param(["T cell"], "at least two terms", id="one"),
        pytest.param(["T cell", "nonsense"], "'nonsense', which the Cell Ontology", id="unknown"),
        pytest.param(["T cell", "T-cells"], "a term more than once", id="twice"),
        pytest.param(["T cell", "neuron"], "at or below 'neuron'", id="bare"),
    ],
)
def test_levels_that_cannot_be_meant(level, match):
    with pytest.raises(ValueError, match=match):
        rule(level)


def test_level_needs_the_ontology():
    plain = LabelSet(("a", "b"), ("", ""))
    with pytest.raises(ValueError, match="none of the `labels` is a term"):
        read_level("deepest", labels=plain, ontology=ontology.load())
    assert read_level(None, labels=plain, ontology=ontology.load()) == Level("label")
