from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl import ontology
from scmmgpt_tl.ontology import CellOntology, roll_up
from scmmgpt_tl.ontology._lineage import PROPERTY_TERMS

CD4, CD8, B, HEPATOCYTE = "CL:0000624", "CL:0000625", "CL:0000236", "CL:0000182"
LABELS = (CD4, CD8, B, HEPATOCYTE)


@pytest.fixture(scope="module")
def cl() -> CellOntology:
    return ontology.load()


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        pytest.param([0.9, 0.05, 0.03, 0.02], "CD4-positive, alpha-beta T cell", id="sure"),
        pytest.param([0.5, 0.45, 0.03, 0.02], "mature alpha-beta T cell", id="which-T"),
        pytest.param([0.3, 0.2, 0.48, 0.02], "lymphocyte", id="which-lymphocyte"),
        pytest.param([0.2, 0.1, 0.2, 0.5], "cell", id="no-idea"),
    ],
)
def test_deepest(cl: CellOntology, probabilities: list[float], expected: str) -> None:
    rolled = roll_up(np.array([probabilities]), LABELS, threshold=0.8, ontology=cl)
    assert cl.name(rolled.ids[0]) == expected


def test_against_brute_force(cl: CellOntology) -> None:
    rng = np.random.default_rng(0)
    labels = [*rng.choice(cl.ids, 30, replace=False), "CL:0000219"]
    p = rng.dirichlet(np.full(len(labels), 0.2), size=50)
    rolled = roll_up(p, labels, threshold=0.6, ontology=cl)
    for row, found, score in zip(p, rolled.ids, rolled.scores, strict=True):
        sums: dict[str, float] = {}
        for label, value in zip(labels, row, strict=True):
            for term in {label, *cl.ancestors(label)}:
                if term in labels or term not in PROPERTY_TERMS:
                    sums[term] = sums.get(term, 0.0) + value
        passing = {term: round(total, 9) for term, total in sums.items() if round(total, 9) >= 0.6}
        best = min(passing, key=lambda term: (-cl.depth(term), -passing[term], term))
        assert found == best
        assert score == pytest.approx(passing[best])


def test_labels_outside_the_ontology_support_nothing(cl: CellOntology) -> None:
    rolled = roll_up(np.array([[0.7, 0.3]]), ["", B], threshold=0.5, ontology=cl)
    assert rolled.ids == ("",)
    assert rolled.scores == pytest.approx([0.3])
    alone = roll_up(np.array([[1.0]]), [""], threshold=0.5, ontology=cl)
    assert alone.ids == ("",)
    assert alone.scores.tolist() == [0.0]


def test_property_terms_are_passed_over(cl: CellOntology) -> None:
    neuron_and_muscle = ("CL:0000540", "CL:0000187")  # share "electrically responsive cell"
    rolled = roll_up(np.array([[0.5, 0.5]]), neuron_and_muscle, threshold=0.8, ontology=cl)
    assert cl.name(rolled.ids[0]) == "cell"


def test_calibrated_scores(cl: CellOntology) -> None:
    rolled = roll_up(
        np.array([[0.6, 0.4, 0.0, 0.0]]), LABELS, threshold=0.5, ontology=cl, calibrate=np.square
    )
    assert cl.name(rolled.ids[0]) == "mature alpha-beta T cell"
    assert rolled.scores == pytest.approx([1.0])


def test_blocks_do_not_matter(cl: CellOntology) -> None:
    p = np.random.default_rng(1).dirichlet(np.ones(4), size=5000).astype(np.float32)
    whole = roll_up(p, LABELS, threshold=0.7, ontology=cl)
    parts = [roll_up(p[i : i + 7], LABELS, threshold=0.7, ontology=cl) for i in range(0, 70, 7)]
    assert whole.ids[:70] == tuple(term for part in parts for term in part.ids)


def test_no_cells(cl: CellOntology) -> None:
    rolled = roll_up(np.empty((0, 4)), LABELS, threshold=0.7, ontology=cl)
    assert rolled.ids == ()
    assert rolled.scores.shape == (0,)


def test_shapes_must_agree(cl: CellOntology) -> None:
    with pytest.raises(ValueError, match=r"`probabilities` is \(1, 3\), but there are 4 labels"):
        roll_up(np.ones((1, 3)), LABELS, threshold=0.5, ontology=cl)
