from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmmgpt_tl.tl._known_labels import read_known_labels


def test_missing_labels_are_left_out():
    column = pd.Series(["T cell", None, "Unknown", " B cell ", "", "T cell"])
    for kept in (column, column.astype("category")):
        names, code = read_known_labels(pd.DataFrame({"type": kept}), "type")
        assert names == ["B cell", "T cell"]
        np.testing.assert_array_equal(code, [1, -1, -1, 0, -1, 1])


def test_what_is_no_column_of_labels_is_named():
    obs = pd.DataFrame({"type": ["T cell", "T cell"]})
    with pytest.raises(ValueError, match=r"Did not find there\['x'\] of `labels_key`.*'type'"):
        read_known_labels(obs, "x", slot="there")
    with pytest.raises(ValueError, match=r".obs\['type'\] must hold at least two labels"):
        read_known_labels(obs, "type")
