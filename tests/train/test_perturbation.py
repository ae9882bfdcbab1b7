"""Learning from experiments."""

from __future__ import annotations

import numpy as np
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl._expression import log_expression


@pytest.fixture
def learn(tiny_model):
    """Learn with the tiny model."""

    def learn_(adata, **more):
        given = {"groupby": "group", "model": tiny_model} | more
        return scmm.train.perturbation(adata, "done", "control", **given)

    return learn_


def test_shifts_are_differences_of_means(learn, experiment_adata, tiny_model):
    before = experiment_adata.copy()
    fitted = learn(experiment_adata)
    assert fitted.perturbations == ("JAK1", "interferon beta")
    assert fitted.groups == ("a1", "a2", "b1", "b2")
    assert (fitted.n_cells == 30).all()
    known = experiment_adata[:, list(fitted.genes)]
    logged = log_expression(known.X).toarray()
    obs = experiment_adata.obs
    here = (obs["group"] == "b1").to_numpy()
    means = [
        logged[here & (obs["done"] == name).to_numpy()].mean(0) for name in ("control", "JAK1")
    ]
    np.testing.assert_allclose(fitted.control[2], means[0], atol=1e-5)
    np.testing.assert_allclose(fitted.shifts[0, 2], means[1] - means[0], atol=1e-5)
    assert (experiment_adata.X != before.X).nnz == 0
    assert not experiment_adata.uns
    assert list(experiment_adata.obs) == list(before.obs)


def test_groups_that_are_alike_respond_alike(learn, experiment_adata):
    fitted = learn(experiment_adata)
    assert fitted.rules["group"].features in {"expression", "embedding"}
    checks = [check for check in fitted.checks if check.question == "group"]
    assert [check.held_out for check in checks] == ["a1", "a2", "b1", "b2"]
    assert np.mean([c.error for c in checks]) < 0.7 * np.mean([c.error_mean_shift for c in checks])
    # Two perturbations are too few to hold one out.
    assert not [check for check in fitted.checks if check.question == "perturbation"]


def test_gaps_are_filled(learn, experiment_adata):
    lost = (experiment_adata.obs["done"] == "JAK1") & (experiment_adata.obs["group"] == "b2")
    part = experiment_adata[~lost.to_numpy()].copy()
    fitted = learn(part)
    assert fitted.n_cells[0, 3] == 0
    whole = learn(experiment_adata)
    assert np.corrcoef(fitted.shifts[0, 3], whole.shifts[0, 3])[0, 1] > 0.9


def test_without_groups_all_cells_are_one(learn, experiment_adata):
    fitted = learn(experiment_adata, groupby=None)
    assert fitted.groups == ("all",)
    assert not fitted.checks
    assert fitted.groupby is None


def test_what_has_too_few_cells_is_left_out(learn, experiment_adata):
    done = experiment_adata.obs["done"].astype(str)
    done.iloc[[1, 4, 7]] = "rare"
    experiment_adata.obs["done"] = done
    with pytest.warns(UserWarning, match="1 perturbations have too few cells.*'rare'"):
        fitted = learn(experiment_adata)
    assert "rare" not in fitted.perturbations
    with pytest.raises(ValueError, match="No group has 100 perturbed and 100 control cells"):
        learn(experiment_adata, min_cells=100)


def test_cells_of_which_nothing_is_known_do_not_count(learn, experiment_adata):
    whole = learn(experiment_adata)
    more = experiment_adata.obs["done"].astype(object)
    more.iloc[:9] = None
    experiment_adata.obs["done"] = more
    fitted = learn(experiment_adata)
    assert fitted.n_cells.sum() == whole.n_cells.sum() - 6


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"groupby": "nothing"}, r"Did not find .obs\['nothing'\]"),
        ({"layer": "nothing"}, "nothing"),
    ],
)
def test_bad_input(learn, experiment_adata, change, match):
    with pytest.raises(ValueError, match=match):
        learn(experiment_adata, **change)


def test_columns_are_checked(experiment_adata, tiny_model):
    with pytest.raises(ValueError, match=r"Did not find .obs\['x'\]. Choose `perturbation_key`"):
        scmm.train.perturbation(experiment_adata, "x", "control", model=tiny_model)
    with pytest.raises(ValueError, match=r"has no 'ctrl'. Choose `control` from JAK1, control"):
        scmm.train.perturbation(experiment_adata, "done", "ctrl", model=tiny_model)
    only = experiment_adata[experiment_adata.obs["done"] == "control"].copy()
    with pytest.raises(ValueError, match="holds control cells only"):
        scmm.train.perturbation(only, "done", "control", model=tiny_model)
