from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmmgpt_tl.tl._comparison.two_groups import choose_units, read_two_groups


@pytest.fixture
def obs():
    return pd.DataFrame({"group": ["x"] * 4 + ["y"] * 4 + ["z"] * 3 + [None]})


def test_groups_by_name(obs):
    found = read_two_groups(obs, "x", "z", groupby="group")
    assert found.names == ("x", "z")
    np.testing.assert_array_equal(found.code, [0] * 4 + [-1] * 4 + [1] * 3 + [-1])
    several = read_two_groups(obs, ["x", "y"], "z", groupby="group")
    assert several.names == ("x and y", "z")
    np.testing.assert_array_equal(several.code, [0] * 8 + [1] * 3 + [-1])


def test_against_all_others_that_have_a_group(obs):
    found = read_two_groups(obs, "z", None, groupby="group")
    assert found.names == ("z", "rest")
    np.testing.assert_array_equal(found.code, [1] * 8 + [0] * 3 + [-1])


def test_masks(obs):
    mask = np.arange(12) < 5
    found = read_two_groups(obs, mask, None, groupby=None)
    np.testing.assert_array_equal(found.code, [0] * 5 + [1] * 7)
    assert found.names == ("a", "rest")
    two = read_two_groups(obs, mask, pd.Series(np.arange(12) > 8), groupby=None)
    np.testing.assert_array_equal(two.code, [0] * 5 + [-1] * 4 + [1] * 3)


@pytest.mark.parametrize(
    ("a", "b", "groupby", "message"),
    [
        ("w", None, "group", r"`a` names no group 'w'. Choose from 'x', 'y', 'z'"),
        ("x", [], "group", "`b` names no group at all"),
        ("x", ["x", "y"], "group", "`a` and `b` share 4 cells"),
        ("x", None, None, "`a` must be a mask of 12 booleans"),
        (np.ones(3, bool), None, None, "`a` must be a mask of 12 booleans"),
        (np.arange(12) < 2, None, None, "Group 'a' has 2 cells; 3 are needed"),
        ("x", None, "nothing", r"Did not find .obs\['nothing'\]"),
    ],
)
def test_what_cannot_be_meant(obs, a, b, groupby, message):
    with pytest.raises(ValueError, match=message):
        read_two_groups(obs, a, b, groupby=groupby)


def test_batches_count_where_there_are_enough():
    code = np.tile(np.repeat([0, 1], 10), 3)
    batch = pd.Series(np.repeat(["p", "q", "r"], 20))
    assert choose_units(None, code).kind == "cells"
    paired = choose_units(batch, code)
    assert (paired.kind, paired.sizes) == ("pairs", (3, 3))
    two = choose_units(batch.replace("r", "q"), code)
    assert (two.kind, two.sizes) == ("cells", (30, 30))


def test_batches_of_one_group_each():
    code = np.repeat([0, 1], 40)
    batch = pd.Series(np.repeat(list("pqrstuvw"), 10))
    apart = choose_units(batch, code)
    assert (apart.kind, apart.sizes) == ("batches", (4, 4))
    # A batch of nine cells is none.
    batch[0] = None
    apart = choose_units(batch, code)
    assert apart.sizes == (3, 4)
    assert (apart.unit[:10] == -1).all()
