"""What labels let expect, and what proteins say for which label."""

from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl import ontology
from scmmgpt_tl.proteins._agreement import agree
from scmmgpt_tl.proteins._expected import ERROR, contrast, expectations, fit, log_odds
from scmmgpt_tl.proteins._table import find


@pytest.fixture(scope="module")
def expected():
    cl = ontology.load()

    def of(protein, label):
        return int(expectations([find(protein)], [cl.resolve(label)], ontology=cl)[0, 0])

    return of


@pytest.mark.parametrize(
    ("protein", "label", "value"),
    [
        ("CD3", "T cell", 1),
        ("CD3", "gamma-delta T cell", 1),
        ("CD3", "hepatocyte", -1),
        # T cells are lymphocytes too.
        ("CD3", "lymphocyte", 0),
        ("CD4", "T cell", 0),
        ("CD4", "naive thymus-derived CD4-positive, alpha-beta T cell", 1),
        ("CD4", "CD8-positive, alpha-beta T cell", -1),
        ("CD45RA", "naive thymus-derived CD4-positive, alpha-beta T cell", 1),
        ("CD45RO", "naive thymus-derived CD4-positive, alpha-beta T cell", -1),
        ("CD19", "B cell", 1),
        ("CD19", "plasma cell", 0),
        ("CD20", "plasma cell", -1),
        ("CD14", "classical monocyte", 1),
        ("CD14", "monocyte", 0),
        ("CD16", "non-classical monocyte", 1),
        ("CD56", "natural killer cell", 1),
        ("PD-1", "T cell", 0),
    ],
)
def test_what_is_expected(expected, protein, label, value):
    assert expected(protein, label) == value


def test_nothing_is_expected_of_unknown_proteins_and_labels():
    cl = ontology.load()
    found = expectations([None, find("CD3")], ["CL:0000084", ""], ontology=cl)
    assert found.tolist() == [[0, 1], [0, 0]]
    assert expectations([None], [], ontology=cl).shape == (0, 1)


def test_log_odds():
    found = log_odds(np.array([[1.0, 0.0, 0.5, np.nan]]))[0]
    sure = np.log((1 - ERROR) / ERROR)
    np.testing.assert_allclose(found, [sure, -sure, 0, 0], atol=1e-12)


def test_contrast_asks_proteins_on_which_two_labels_differ():
    own = np.array([[1, -1, 1, 0]])
    odds = np.array([[2.0, 3.0, -5.0, 7.0]])
    others = np.array([[1, -1, 1, 0], [-1, -1, 0, 1], [-1, 1, -1, -1]])
    # The same; the first; all but the last.
    np.testing.assert_allclose(contrast(odds, own, others), [[0, 2, 2 - 3 - 5]])


def test_fit_of_labels_and_of_own_labels_agree():
    odds = log_odds(np.array([[1.0, 0.2], [0.6, np.nan]]))
    labels = np.array([[1, -1], [0, 1], [0, 0]])
    found = fit(odds, labels)
    q = np.array([[1.0, 0.2], [0.6, 0.5]])
    e = 1 - ERROR
    of = np.log(2 * (q * e + (1 - q) * (1 - e)))
    lacks = np.log(2 * ((1 - q) * e + q * (1 - e)))
    np.testing.assert_allclose(found[:, 0], of[:, 0] + lacks[:, 1])
    np.testing.assert_allclose(found[:, 1], of[:, 1])
    np.testing.assert_allclose(found[:, 2], 0)
    own = labels[[0, 1]][:, None]
    np.testing.assert_allclose(fit(odds, own)[:, 0], found[[0, 1], [0, 1]])


def ask(positive, own, labels, rivals):
    names = ["CD3", "CD4", "CD8", "CD19"]
    return agree(
        np.array([positive], dtype=float),
        names,
        np.array([own]),
        labels=np.array(labels).reshape(-1, 4),
        rivals=np.array([rivals]),
    )


CD4, CD8, B = [1, 1, -1, -1], [1, -1, 1, -1], [-1, -1, -1, 1]


def test_label_that_is_as_expected():
    found = ask([1, 1, 0, 0], CD4, [CD4, CD8, B], [False, True, True])
    assert found.verdict[0] == "supports"
    assert found.score[0] > 0.9
    assert found.against[0] == ""
    assert found.rival[0] == -1


def test_label_that_another_is_better_than():
    found = ask([1, 0, 1, 0], CD4, [CD4, CD8, B], [False, True, True])
    assert found.verdict[0] == "disagrees"
    assert found.against[0] == "CD4 absent; CD8 present"
    assert found.rival[0] == 1


def test_label_that_nothing_is_like():
    found = ask([0, 0, 1, 1], CD4, [CD4], [False])
    assert found.verdict[0] == "disagrees"
    assert found.rival[0] == -1


def test_terms_on_one_line_are_no_rivals():
    one_of_four = [1, 0, 0, 0]
    assert ask(one_of_four, CD4, [CD4, CD8, B], [False, True, True]).verdict[0] == "silent"
    # CD4 and CD8 are of two minds; of CD4 alone, the other label is better.
    rival = [1, -1, 0, -1]
    assert ask(one_of_four, CD4, [CD4, rival], [False, True]).verdict[0] == "disagrees"
    found = ask(one_of_four, CD4, [CD4, rival], [False, False])
    assert found.verdict[0] == "silent"
    assert found.against[0] == "CD4 absent"


@pytest.mark.parametrize("positive", [[np.nan] * 4, [0.5] * 4])
def test_proteins_that_say_nothing(positive):
    found = ask(positive, CD4, [CD4, CD8], [False, True])
    assert found.verdict[0] == "silent"
    assert found.score[0] == 0.5


def test_label_of_which_nothing_is_known():
    found = ask([1, 1, 0, 0], [0] * 4, [CD4, CD8], [True, True])
    assert (found.verdict[0], found.score[0], found.rival[0]) == ("silent", 0.5, -1)


def test_no_labels():
    found = ask([1, 1, 0, 0], CD4, [], [])
    assert found.verdict[0] == "supports"
