"""How far down the ontology a group is described."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from scmmgpt_tl import ontology
from scmmgpt_tl.model.calibration import Calibration
from scmmgpt_tl.tl._labels import resolve_labels
from scmmgpt_tl.tl._writing.dossier import _label

LABELS = ["T cell", "CD4-positive, alpha-beta T cell", "CD8-positive, alpha-beta T cell", "B cell"]


@pytest.fixture
def label(tiny_model):
    model = SimpleNamespace(calibration=Calibration(1.0, 1.0, 0.0, 0.5, 5))
    asked = resolve_labels(LABELS, own=tiny_model.labels, tissue=None, ontology=ontology.load())

    def answer(p, threshold=0.5):
        found = _label(np.array([p]), asked, SimpleNamespace(model=model), threshold=threshold)
        return found.labels[0], float(found.scores[0])

    return answer


def test_a_label_that_is_sure_by_itself_stands(label):
    assert label([0.1, 0.7, 0.1, 0.1]) == ("CD4-positive, alpha-beta T cell", pytest.approx(0.8))


def test_kinds_that_share_the_evidence_leave_what_they_are_kinds_of(label):
    # CD4 and what is above it have 0.6, but without what speaks for any T cell only 0.4.
    name, score = label([0.2, 0.4, 0.3, 0.1])
    assert name == "mature alpha-beta T cell"
    assert score == pytest.approx(0.7)


def test_nothing_is_said_of_what_nothing_speaks_for(label):
    # What is missing to 1 speaks for a doublet.
    assert label([0.05, 0.1, 0.1, 0.1])[0] == "unknown"


def test_a_low_threshold_takes_the_likeliest_label_and_not_the_deepest_term(label):
    assert label([0.1, 0.1, 0.1, 0.7], threshold=0.0)[0] == "B cell"
