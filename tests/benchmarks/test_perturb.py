from __future__ import annotations

import numpy as np
import pandas as pd
import perturb
import pytest
from _held_out import TASKS, Task, folds, read_experiment, score, truth
from _knock_outs import compare_knock_outs
from _shift_methods import learned, linear, mean_shift, no_shift, vae

GROUPS = Task("made", "done", "control", "group", "group", "")
GENES = Task("made", "done", "control", None, "perturbation", "T cell")


@pytest.fixture
def experiment(experiment_adata, tmp_path, tiny_model):
    def experiment_(task):
        experiment_adata.write_h5ad(tmp_path / f"{task.file}.h5ad")
        return read_experiment(tmp_path, task, tiny_model, max_cells=25, seed=0)

    return experiment_


def test_each_group_is_held_out_with_all_that_was_measured_in_it(experiment):
    found = experiment(GROUPS)
    assert (found.compared.n_cells == 25).all()
    # Two perturbations in four groups.
    parts = list(folds(found))
    assert [part.name for part in parts] == ["a1", "a2", "b1", "b2"] * 2
    for part in parts:
        assert part.group not in part.columns
        assert len(part.columns) == 3
    assert np.bincount(found.done[found.done >= 0]).tolist() == [100, 100]
    assert found.is_control.sum() == 100


def test_each_perturbation_is_held_out(experiment):
    found = experiment(GENES)
    parts = list(folds(found))
    assert [part.name for part in parts] == ["JAK1", "interferon beta"]
    assert [part.rows.tolist() for part in parts] == [[1], [0]]
    np.testing.assert_allclose(mean_shift(found, parts[0]), found.compared.shifts[1, 0])


def test_nothing_of_what_is_held_out_is_used(experiment):
    """Whatever was measured there, the prediction is the same."""
    found = experiment(GROUPS)
    part = next(iter(folds(found)))
    before = [method(found, part) for method in (learned, mean_shift, linear)]
    found.compared.shifts[:, part.group] = 77
    after = [method(found, part) for method in (learned, mean_shift, linear)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(one, other)


def test_top_genes_are_those_that_were_raised(experiment):
    found = experiment(GROUPS)
    part = next(iter(folds(found)))
    shift, top = truth(found, part)
    np.testing.assert_allclose(shift, found.compared.shifts[0, 0])
    # The first twenty genes are raised in the first group.
    assert len({int(found.genes[i]) for i in top} & set(range(20))) >= 18


def test_scores():
    true = np.array([1.0, -1.0, 0.5, 0.0])
    control, top = np.ones(4), np.array([0, 1])
    right = score(true, true, top, control=control)
    assert right == pytest.approx({"r_expression": 1, "r_shift": 1, "r_shift_top": 1, "mse_top": 0})
    nothing = score(np.zeros(4), true, top, control=np.arange(4.0))
    assert np.isnan(nothing["r_shift"])
    assert nothing["mse_top"] == 1


def test_learned_is_nearer_than_the_mean_shift(experiment):
    found = experiment(GROUPS)
    errors = {method: [] for method in (learned, mean_shift, linear, no_shift)}
    for part in folds(found):
        shift, _ = truth(found, part)
        for method, error in errors.items():
            error.append(np.square(method(found, part) - shift).mean())
    mean = {method: np.mean(error) for method, error in errors.items()}
    assert mean[learned] < mean[mean_shift] < mean[no_shift]
    assert mean[linear] < mean[mean_shift]


def test_autoencoder(experiment):
    pytest.importorskip("scvi")
    found = experiment(GROUPS)
    part = next(iter(folds(found)))
    shift, _ = truth(found, part)
    made = vae(found, part, steps=200, seed=0)
    assert np.corrcoef(made, shift)[0, 1] > 0.2


def test_knock_outs(experiment):
    found = experiment(GENES)
    with pytest.warns(UserWarning, match="no better than chance"):
        rows = compare_knock_outs(found)
    # Of the two perturbations one is a gene.
    assert [row["gene"] for row in rows] == ["JAK1"]
    assert all(np.isfinite(rows[0][name]) for name in ("own", "own_rest"))


def test_intervals():
    assert perturb.interval(pd.Series([0.5, 0.5, np.nan])) == "0.500 (0.500 – 0.500)"
    assert perturb.interval(pd.Series([np.nan])) == ""


def test_whole_run(experiment_adata, options, bench_folder, monkeypatch):
    experiment_adata.write_h5ad(bench_folder / "data" / "made.h5ad")
    monkeypatch.setattr(perturb, "TASKS", (GROUPS,))
    perturb.main([*options, "--methods", "learned", "mean", "control", "text"])
    found = pd.read_csv(bench_folder / "out" / "perturb.csv")
    assert len(found) == 8 * 4
    page = (bench_folder / "docs" / "benchmarks.md").read_text()
    assert "| mean shift | " in page
    assert "old perturb" not in page
    assert "old refine" in page
    assert (bench_folder / "docs" / "_static" / perturb.PICTURE).stat().st_size > 5000


def test_tasks_name_files_of_the_shared_data(shared_data):
    for task in TASKS:
        assert (shared_data / "tasks" / f"{task.file}.h5ad").is_file()
