from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmmgpt_tl.tl._groups import read_groups


def test_categories_keep_their_order_and_lose_the_unused():
    column = pd.Categorical(["b", "a", None, "b"], categories=["z", "b", "a"])
    groups = read_groups(pd.DataFrame({"g": column}), "g")
    assert groups.names == ("b", "a")
    assert groups.codes.tolist() == [0, 1, -1, 0]
    assert groups.sizes.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("values", "names", "codes"),
    [
        pytest.param(["10", "9", "10"], ("9", "10"), [1, 0, 1], id="natural-order"),
        pytest.param([2, 1, 2], ("1", "2"), [1, 0, 1], id="numbers"),
        pytest.param([True, False, True], ("False", "True"), [1, 0, 1], id="switches"),
        pytest.param(["b", None, "a"], ("a", "b"), [1, -1, 0], id="missing"),
    ],
)
def test_other_columns(values, names, codes):
    groups = read_groups(pd.DataFrame({"g": values}), "g")
    assert groups.names == names
    assert groups.codes.tolist() == codes


def test_no_such_column():
    with pytest.raises(ValueError, match=r"Did not find .obs\['h'\]. Choose `groupby` from g"):
        read_groups(pd.DataFrame({"g": ["a"]}), "h")


def test_messages_name_the_argument_of_the_user():
    with pytest.raises(ValueError, match="Choose `batch_key` from nothing: there are no columns"):
        read_groups(pd.DataFrame(index=["c"]), "h", argument="batch_key")


def test_nothing_but_missing_values():
    with pytest.raises(ValueError, match="do not name groups"):
        read_groups(pd.DataFrame({"g": [np.nan, np.nan]}), "g")
