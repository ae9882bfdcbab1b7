from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import scmmgpt_tl as scmm
from scmmgpt_tl.pl._perturb import perturb_data


@pytest.fixture
def predicted():
    rng = np.random.default_rng(0)
    control = rng.random((2, 40))
    shift = rng.normal(size=(2, 40))
    return AnnData(
        control + shift,
        obs=pd.DataFrame({"perturbation": "A", "group": ["x", "y"]}, index=["A | x", "A | y"]),
        var=pd.DataFrame(index=[f"g{i}" for i in range(40)]),
        layers={"control": control, "shift": shift},
        uns={"scmm_perturb": {"params": {}}},
    )


def test_first_pair_is_drawn_and_its_top_genes_are_named(predicted):
    left, right = scmm.pl.perturb(predicted, n_genes=4, show=False)
    expected = scmm.get.perturbation_df(predicted, "A", "x").head(4)
    assert [text.get_text() for text in right.get_yticklabels()] == expected["name"].tolist()
    np.testing.assert_allclose([bar.get_width() for bar in right.patches], expected["shift"])
    assert left.get_xlabel() == "control"
    assert sum(len(points.get_offsets()) for points in left.collections) == 40
    assert left.figure.get_suptitle() == "A, x"


def test_beside_what_was_observed(predicted):
    observed = predicted[:, ::-1][:, :30].copy()
    observed.layers["shift"] = observed.layers["shift"] * 2
    left, right = scmm.pl.perturb(predicted, group="y", observed=observed, show=False)
    assert left.get_title() == "r = 1.00"
    assert left.get_xlabel() == "observed shift"
    assert right.get_legend() is not None
    data = perturb_data(predicted, None, "y", observed=observed, key="scmm_perturb")
    assert len(data) == 30
    np.testing.assert_allclose(data["observed"], 2 * data["shift"])


def test_nothing_to_compare_with(predicted):
    other = predicted.copy()
    other.var_names = [f"h{i}" for i in range(40)]
    with pytest.raises(ValueError, match="`observed` shares no gene"):
        scmm.pl.perturb(predicted, observed=other, show=False)


def test_figure(predicted):
    assert len(scmm.pl.perturb(predicted, return_fig=True).axes) == 2
