from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from _confidence import GAPS, kinds_of, risk_coverage, score_certainty, score_open
from _data import Study
from _methods import Answers

T_CELL, CD4, B_CELL, HEPATOCYTE = "CL:0000084", "CL:0000624", "CL:0000236", "CL:0000182"


@pytest.fixture
def study() -> Study:
    """Five cells of five labels, and a doublet."""
    labels = ("T", "B", "hepatocyte", "leukaemia cell line K562", "odd")
    return Study(
        name="six",
        adata=None,
        n_labelled=5,
        counts="auto",
        labels=labels,
        cl_ids=(T_CELL, B_CELL, HEPATOCYTE, "", ""),
        asked=labels,
        truth=np.array([0, 1, 2, 3, 4, -1]),
        made=np.array(["", "", "", "", "", "doublet"]),
    )


def test_risk_grows_as_less_certain_answers_are_let_in():
    risk = risk_coverage([0.9, 0.1, 0.5, 0.7], [True, False, False, True])
    np.testing.assert_allclose(risk, [0, 0, 1 / 3, 1 / 2])


def test_answers_of_one_certainty_have_no_order():
    one, other = (risk_coverage([0.5, 0.5, 0.1], right) for right in ([1, 0, 1], [0, 1, 1]))
    np.testing.assert_allclose(one, [1 / 2, 1 / 2, 1 / 3])
    np.testing.assert_array_equal(one, other)


def test_only_chances_have_a_calibration_error():
    certainty, right = np.array([0.8] * 10), np.array([True] * 6 + [False] * 4)
    found = score_certainty(certainty, right, is_chance=True)
    assert found["calibration_error"] == pytest.approx(0.2)
    assert found["risk_1.0"] == pytest.approx(0.4)
    assert sum(found[gap] for gap in GAPS) == pytest.approx(0.2)
    assert not {"calibration_error", *GAPS} & set(
        score_certainty(certainty, right, is_chance=False)
    )


def test_cells_that_nothing_covers_are_told_from_the_others(study):
    # Covered is a kind of T cell, so that a T cell may be it.
    kinds = kinds_of(study, [CD4, B_CELL])
    assert kinds.tolist() == ["", "", "other", "other", "left out", "doublet"]


def test_unknown_cells_should_be_less_certain(study):
    answers = Answers(
        closed=np.zeros((6, 5)),
        refused=np.zeros(6, dtype=bool),
        seconds=1.0,
        open_ids={"open": np.array([CD4, CD4, CD4, CD4, CD4, CD4])},
        certainty={"open": np.array([0.9, 0.6, 0.7, 0.2, 1.0, 0.1])},
        states_chances=True,
    )
    found = score_open(study, answers, setting="open", covered=[CD4, B_CELL])
    assert found["auroc_doublet"] == 1
    assert found["auroc_other"] == pytest.approx(3 / 4)
    assert found["auroc_unknown"] == pytest.approx(5 / 6)
    # Of the three cells with a term, only the T cell is answered right.
    assert found["risk_1.0"] == pytest.approx(2 / 3)


def test_an_answer_held_back_counts_as_what_it_would_have_been(study):
    given = np.array([CD4, "", "", "", "", ""])
    held_back = np.array([CD4, B_CELL, CD4, CD4, CD4, CD4])
    answers = Answers(
        closed=np.zeros((6, 1)),
        refused=np.zeros(6, dtype=bool),
        seconds=1.0,
        open_ids={"open": given},
        certainty={"open": np.linspace(0.9, 0.1, 6)},
        states_chances=True,
    )
    plain = score_open(study, answers, setting="open", covered=[CD4, B_CELL])
    forced = replace(answers, forced_ids={"open": held_back})
    found = score_open(study, forced, setting="open", covered=[CD4, B_CELL])
    assert found["risk_1.0"] < plain["risk_1.0"]
    assert found["auroc_unknown"] == plain["auroc_unknown"]
