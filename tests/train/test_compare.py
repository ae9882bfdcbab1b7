from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl.tl._perturbation.pseudobulk import Pseudobulk
from scmmgpt_tl.train.compare import compare, split_control


def pseudobulk(n_cells, seed=0):
    """Two perturbations, control cells and a part of these, in two groups, over four genes."""
    rng = np.random.default_rng(seed)
    n = len(n_cells)
    return Pseudobulk(rng.random((n, 4)), rng.random((n, 3)), np.array(n_cells))


def test_every_second_control_cell_of_a_group_is_set_apart():
    codes = np.array([0, 1, 0, 0, 0, 0, -1, 0])
    groups = np.array([0, 0, 0, 1, 1, 0, 0, -1])
    found = split_control(codes, groups, control=0, last=2)
    np.testing.assert_array_equal(found, [0, 1, 2, 0, 2, 0, -1, 0])


def test_shifts_and_halves():
    means = pseudobulk([20, 20, 30, 10, 20, 20, 10, 30])
    found = compare(means, ("A", "control", "B"), ("x", "y"), control="control", min_cells=10)
    expression = means.expression.reshape(4, 2, 4)
    control = np.stack(
        [
            (30 * expression[1, 0] + 10 * expression[3, 0]) / 40,
            (10 * expression[1, 1] + 30 * expression[3, 1]) / 40,
        ]
    )
    np.testing.assert_allclose(found.control, control)
    np.testing.assert_allclose(found.shifts[1], expression[2] - control)
    np.testing.assert_allclose(found.from_half(0)[1], expression[2] - expression[1])
    np.testing.assert_allclose(found.from_half(1)[1], expression[2] - expression[3])
    assert found.names == ("A", "B")
    part = found.only(np.array([1]), np.array([1]))
    assert part.names == ("B",)
    np.testing.assert_allclose(part.from_half(1), found.from_half(1)[1:, 1:])


def test_what_was_not_measured_has_no_shift_from_any_half():
    means = pseudobulk([20, 3, 30, 10, 20, 20, 10, 30])
    found = compare(means, ("A", "control", "B"), ("x", "y"), control="control", min_cells=10)
    assert found.n_cells.tolist() == [[20, 0], [20, 20]]
    for shifts in (found.shifts, found.from_half(0), found.from_half(1)):
        assert (shifts[0, 1] == 0).all()


def test_one_control_cell_cannot_be_split():
    means = pseudobulk([5, 5, 1, 1, 5, 5, 0, 0])
    found = compare(means, ("A", "control", "B"), ("x", "y"), control="control", min_cells=1)
    np.testing.assert_allclose(found.halves[1], found.control)


def test_groups_without_control_cells_are_left_out():
    means = pseudobulk([20, 20, 30, 0, 20, 20, 10, 0])
    with pytest.warns(UserWarning, match="1 groups have too few cells.*'y'"):
        found = compare(means, ("A", "control", "B"), ("x", "y"), control="control", min_cells=10)
    assert found.groups == ("x",)
