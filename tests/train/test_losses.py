"""Each loss against its formula, written out in loops."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
import torch

from scmmgpt_tl.train import losses
from scmmgpt_tl.train.captions import relations

# T cell, CD4 T cell, lymphocyte, B cell, hepatocyte; a CD4 T cell is a T cell is a lymphocyte.
TERMS = ("CL:0000084", "CL:0000624", "CL:0000542", "CL:0000236", "CL:0000182")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def related():
    is_a, may_be = relations(TERMS)
    return is_a, may_be


@pytest.fixture
def exact():
    return np.array([0, 1, 1, 3, 4, 2, 0])


def tensors(*arrays):
    return [torch.from_numpy(np.asarray(array)) for array in arrays]


@pytest.mark.parametrize(
    "shown", [[1, 1, 1, 1, 1], [0, 0, 1, 1, 0], [0, 0, 0, 0, 0]], ids=["all", "some", "none"]
)
def test_cell_to_text(rng, related, exact, shown):
    is_a, may_be = (matrix[exact] for matrix in related)
    s = rng.normal(size=(7, 5)) * 3
    total = 0.0
    for i, e in enumerate(exact):
        false = [j for j in range(5) if not is_a[i, j] and not may_be[i, j]]
        above = [j for j in range(5) if is_a[i, j] and j != e]
        rest = sum(exp(s[i, j]) for j in false)
        below = exp(s[i, e]) + rest + 0.25 * sum(exp(s[i, j]) for j in above)
        total -= log(exp(s[i, e]) / below)
        chosen = [j for j in above if shown[j]]
        if chosen:
            total -= (
                0.25 / len(chosen) * sum(log(exp(s[i, j]) / (exp(s[i, j]) + rest)) for j in chosen)
            )
    found = losses.cell_to_text(*tensors(s, exact, is_a, may_be, np.array(shown, dtype=bool)))
    assert found.item() == pytest.approx(total / 7, rel=1e-6)


def test_cell_to_text_leaves_descendants_alone(related):
    # A T cell that looks like a CD4 T cell may well be one.
    is_a, may_be = (matrix[[0]] for matrix in related)
    s = torch.zeros(1, 5, dtype=torch.float64, requires_grad=True)
    own, *rest = tensors([0], is_a, may_be, np.ones(5, dtype=bool))
    losses.cell_to_text(s, own, *rest).backward()
    gradient = s.grad[0]
    assert gradient[1] == 0
    assert gradient[0] < 0 < gradient[3]
    assert gradient.isfinite().all()


def test_text_to_cell(rng, related, exact):
    is_a, may_be = (matrix[exact] for matrix in related)
    shown = np.array([True, True, True, False, True])
    s = rng.normal(size=(7, 5)) * 3
    per_text = []
    for j in range(5):
        true = [i for i in range(7) if is_a[i, j]]
        if not shown[j] or not true:
            continue
        rest = sum(exp(s[k, j]) for k in range(7) if not is_a[k, j] and not may_be[k, j])
        per_text.append(np.mean([-log(exp(s[i, j]) / (exp(s[i, j]) + rest)) for i in true]))
    found = losses.text_to_cell(*tensors(s, is_a, may_be, shown))
    assert found.item() == pytest.approx(np.mean(per_text), rel=1e-6)


def test_text_to_cell_without_texts_is_zero_and_can_be_learned_from(rng, related, exact):
    is_a, may_be = (matrix[exact] for matrix in related)
    s = torch.randn(7, 5, requires_grad=True)
    loss = losses.text_to_cell(s, *tensors(is_a, may_be, np.zeros(5, dtype=bool)))
    loss.backward()
    assert loss.item() == 0
    assert not s.grad.any()


def test_text_to_text(rng):
    s = rng.normal(size=(4, 4)) * 2
    total = 0.0
    for i in range(4):
        total += log(exp(s[i, i]) / sum(exp(s[i, j]) for j in range(4)))
        total += log(exp(s[i, i]) / sum(exp(s[j, i]) for j in range(4)))
    found = losses.text_to_text(torch.from_numpy(s))
    assert found.item() == pytest.approx(-total / 8, rel=1e-6)


def test_matching(rng):
    s, target = rng.normal(size=(6, 2)), [1, 0, 0, 1, 1, 0]
    expected = -np.mean(
        [log(exp(s[i, t]) / (exp(s[i, 0]) + exp(s[i, 1]))) for i, t in enumerate(target)]
    )
    found = losses.matching(*tensors(s, np.array(target)))
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_captioning(rng):
    logits = rng.normal(size=(2, 4, 6))
    ids = np.array([[1, 2, 3, 5], [1, 4, 0, 0]])
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    each = []
    for i in range(2):
        for t in range(1, 4):
            if mask[i, t]:
                p = np.exp(logits[i, t - 1]) / np.exp(logits[i, t - 1]).sum()
                q = np.full(6, 0.1 / 6)
                q[ids[i, t]] += 0.9
                each.append(-sum(q[v] * log(p[v]) for v in range(6)))
    assert len(each) == 4
    found = losses.captioning(*tensors(logits, ids, mask))
    assert found.item() == pytest.approx(np.mean(each), rel=1e-6)


def test_expression(rng):
    rates = rng.normal(size=(3, 8))
    measured = np.ones((3, 8), dtype=bool)
    measured[1, 4:] = False
    shares = rng.dirichlet(np.ones(8), size=3) * measured
    shares /= shares.sum(1, keepdims=True)
    total = 0.0
    for i in range(3):
        below = sum(exp(rates[i, h]) for h in range(8) if measured[i, h])
        total -= sum(
            shares[i, g] * log(exp(rates[i, g]) / below) for g in range(8) if measured[i, g]
        )
    found = losses.expression(*tensors(rates, shares, measured))
    assert found.item() == pytest.approx(total / 3, rel=1e-6)


def test_expression_is_least_where_the_shares_are_right(rng):
    shares = rng.dirichlet(np.ones(8), size=3)
    measured = np.ones((3, 8), dtype=bool)
    right = losses.expression(*tensors(np.log(shares), shares, measured))
    entropy = -(shares * np.log(shares)).sum(1).mean()
    assert right.item() == pytest.approx(entropy, rel=1e-6)
    wrong = losses.expression(*tensors(np.log(shares[::-1].copy()), shares, measured))
    assert wrong > right


def test_genes_not_measured_learn_nothing(rng):
    rates = torch.randn(2, 5, requires_grad=True)
    measured = torch.tensor([[True, True, True, False, False]] * 2)
    shares = torch.tensor([[0.5, 0.3, 0.2, 0.0, 0.0]] * 2)
    losses.expression(rates, shares, measured).backward()
    assert not rates.grad[:, 3:].any()
    assert rates.grad.isfinite().all()


def test_levels_are_compared_on_the_log_scale(rng):
    rates = rng.normal(size=(3, 8))
    shares = rng.dirichlet(np.ones(8), size=3)
    measured = rng.random((3, 8)) < 0.8
    total = np.array([100.0, 10.0, 1e4])
    expected = []
    for i in range(3):
        kept = measured[i]
        found = np.exp(rates[i, kept]) / np.exp(rates[i, kept]).sum()
        gap = np.log1p(total[i] * shares[i, kept]) - np.log1p(total[i] * found)
        expected.append((gap**2).mean())
    found = losses.levels(*tensors(rates, shares, measured, total))
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-4)
