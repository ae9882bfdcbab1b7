from __future__ import annotations

import numpy as np
import pandas as pd

from scmmgpt_tl.tl._answers.vote import agreement, group_mean


def test_group_mean_against_pandas():
    rng = np.random.default_rng(0)
    values = rng.random((200, 7)).astype(np.float32)
    codes = rng.integers(-1, 5, size=200)
    frame = pd.DataFrame(values.astype(float))[codes >= 0]
    expected = frame.groupby(codes[codes >= 0]).mean()
    np.testing.assert_allclose(group_mean(values, codes, 5), expected.to_numpy())


def test_empty_group_has_mean_zero():
    found = group_mean(np.ones((2, 3)), np.array([0, -1]), 2)
    np.testing.assert_array_equal(found, [[1, 1, 1], [0, 0, 0]])


def test_agreement():
    cells = np.array(["T", "T", "B", "", "B"], dtype=object)
    groups = np.array(["T", "B", "NK"], dtype=object)
    codes = np.array([0, 0, 0, 1, -1])
    np.testing.assert_allclose(agreement(cells, groups, codes), [2 / 3, 0, 0])
