from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import scmmgpt_tl as scmm


@pytest.fixture
def predicted():
    """One perturbation in two groups, over three genes."""
    control = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    shift = np.array([[0.1, -0.5, 0.2], [0.0, 0.3, -0.9]])
    return AnnData(
        control + shift,
        obs=pd.DataFrame({"perturbation": "A", "group": ["x", "y"]}, index=["A | x", "A | y"]),
        var=pd.DataFrame(index=["g1", "g2", "g3"]),
        layers={"control": control, "shift": shift},
        uns={"scmm_perturb": {"params": {}}},
    )


def test_largest_shifts_come_first(predicted):
    found = scmm.get.perturbation_df(predicted)
    assert found["name"].tolist() == ["g2", "g3", "g1", "g3", "g2", "g1"]
    assert found["group"].tolist() == ["x"] * 3 + ["y"] * 3
    np.testing.assert_allclose(found["predicted"], found["control"] + found["shift"])
    assert scmm.get.perturbation_df(predicted, "A", "y")["shift"].tolist() == [-0.9, 0.3, 0.0]


def test_what_is_not_there(predicted):
    with pytest.raises(ValueError, match="There is no group 'z'. Choose from x, y"):
        scmm.get.perturbation_df(predicted, group="z")
    with pytest.raises(ValueError, match="There is no perturbation 'B'"):
        scmm.get.perturbation_df(predicted, "B")
    with pytest.raises(ValueError, match=r"Run `scmm.tl.perturb` first"):
        scmm.get.perturbation_df(predicted, key="other")
    del predicted.layers["shift"]
    with pytest.raises(ValueError, match=r"Did not find adata.layers\['shift'\]"):
        scmm.get.perturbation_df(predicted)
    predicted.layers["shift"] = predicted.layers["control"]
    predicted.obs["perturbation"] = ["A", "B"]
    with pytest.raises(ValueError, match="'A' was not predicted in 'y'"):
        scmm.get.perturbation_df(predicted, "A", "y")
