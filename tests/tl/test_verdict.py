from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl.tl._answers.decide import Decision
from scmmgpt_tl.tl._answers.verdict import judge_cells, judge_groups, spread
from scmmgpt_tl.tl._groups import Groups

NAMES = np.array(["T", "B"], dtype=object)


def decide(p):
    """Best of two, unknown below 0.6."""
    best = p.argmax(axis=1)
    top = p.max(axis=1).astype(np.float32)
    sure = top >= 0.6
    return Decision(
        labels=np.where(sure, NAMES[best], "unknown"),
        cl_ids=np.where(sure, NAMES[best], ""),
        scores=top,
        support=top,
        margins=(2 * top - 1).astype(np.float32),
        runners_up=NAMES[1 - best],
    )


P = np.array([[0.9, 0.1], [0.8, 0.2], [0.55, 0.45], [0.1, 0.9], [0.1, 0.9], [0.5, 0.5]])
N_GENES = np.array([50, 50, 50, 50, 3, 0])
CELLS = np.tile([0.9, 0.05, 0.05], (6, 1))


@pytest.fixture
def cells():
    return judge_cells(decide(P), N_GENES, CELLS, min_genes=5)


def test_reasons(cells):
    assert cells.reasons.tolist() == ["ok", "ok", "low score", "ok", "few genes", "no counts"]
    assert cells.labels.tolist() == ["T", "T", "unknown", "B", "unknown", "unknown"]
    assert cells.cl_ids.tolist() == ["T", "T", "", "B", "", ""]
    assert cells.scores[-1] == 0
    assert np.isfinite(cells.scores).all()
    assert cells.scores.dtype == cells.margins.dtype == np.float32


def test_what_is_more_likely_no_cell_says_so_where_it_is_unknown():
    droplet = np.array([[0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], *[[0.1, 0.2, 0.7]] * 3])
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.5, 0.5], [0.5, 0.5], [0.1, 0.9], [0.5, 0.5]])
    cells = judge_cells(decide(p), N_GENES, droplet, min_genes=5)
    reasons = ["ok", "ok", "doublet", "empty droplet", "few genes", "no counts"]
    assert cells.reasons.tolist() == reasons


def test_doublets_have_a_vote_in_their_group():
    droplet = CELLS.copy()
    droplet[2] = [0.1, 0.8, 0.1]
    cells = judge_cells(decide(P), N_GENES, droplet, min_genes=5)
    assert cells.reasons[2] == "doublet"
    judged = judge_groups(P, cells, Groups(("x",), np.zeros(6, dtype=int)), decide=decide)
    assert judged.table(Groups(("x",), np.zeros(6, dtype=int)))["support"][0] == pytest.approx(
        0.5875
    )


def test_groups(cells):
    groups = Groups(("x", "y"), np.array([0, 0, 0, 0, 1, 0]))
    judged = judge_groups(P, cells, groups, decide=decide)
    table = judged.table(groups)
    assert table["label"].tolist() == ["unknown", "unknown"]
    assert table["n_cells"].tolist() == [5, 1]
    # (0.9 + 0.8 + 0.55 + 0.1) / 4: the cell without counts has no vote
    assert table["support"][0] == pytest.approx(0.5875)
    assert judged.read.tolist() == [True, False]
    assert spread(judged, cells, groups).reasons.tolist() == [
        *["low score"] * 4,
        "few genes",
        "no counts",
    ]


def test_cells_take_the_label_of_their_group(cells):
    groups = Groups(("x", "y"), np.array([0, 0, 0, 1, 1, 0]))
    judged = judge_groups(P, cells, groups, decide=decide)
    assert judged.table(groups)["agreement"].tolist() == pytest.approx([2 / 4, 1 / 2])
    found = spread(judged, cells, groups)
    assert found.labels.tolist() == ["T", "T", "T", "B", "B", "unknown"]
    assert found.reasons.tolist() == ["ok"] * 5 + ["no counts"]
    assert found.scores[0] == pytest.approx(0.75)


def test_cell_without_group(cells):
    groups = Groups(("x",), np.array([0, -1, 0, 0, 0, 0]))
    found = spread(judge_groups(P, cells, groups, decide=decide), cells, groups)
    assert found.reasons[1] == "no group"
    assert found.labels[1] == "unknown"
    assert found.scores[1] == pytest.approx(0.8)
