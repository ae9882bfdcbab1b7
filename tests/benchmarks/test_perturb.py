from __future__ import annotations

import numpy as np
import pandas as pd
import perturb
import pytest
from _held_out import TASKS, Task, Truth, folds, read_experiment, score, truth
from _knock_outs import compare_knock_outs
from _shift_methods import learned, linear, mean_shift, no_shift, vae

from scmmgpt_tl._expression import log_expression

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
    assert found.is_control.sum() == 120
    np.testing.assert_array_equal(found.is_test, found.is_control)


def test_each_perturbation_is_held_out(experiment):
    found = experiment(GENES)
    parts = list(folds(found))
    assert [part.name for part in parts] == ["JAK1", "interferon beta"]
    assert [part.rows.tolist() for part in parts] == [[1], [0]]
    np.testing.assert_allclose(mean_shift(found, parts[0]), found.compared.shifts[1, 0])
    # No control cell is both learned from and compared with.
    assert not (found.is_control & found.is_test).any()
    assert (found.is_control | found.is_test).sum() == 120
    learned_from = found.counts[np.flatnonzero(found.is_control)]
    control = np.asarray(log_expression(learned_from).mean(0)).ravel()
    np.testing.assert_allclose(found.compared.control[0], control, atol=1e-6)


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
    expression, shift, top = truth(found, part)
    np.testing.assert_allclose(shift, found.compared.shifts[0, 0], atol=1e-6)
    np.testing.assert_allclose(shift + found.compared.control[0], expression, atol=1e-6)
    # The first twenty genes are raised in the first group.
    assert len({int(found.genes[i]) for i in top} & set(range(20))) >= 18


def test_scores():
    true = np.array([1.0, -1.0, 0.5, 0.0])
    measured = Truth(np.ones(4) + true, true, np.array([0, 1]))
    right = score(true, measured, control=np.ones(4))
    assert right == pytest.approx({"r_expression": 1, "r_shift": 1, "r_shift_top": 1, "mse_top": 0})
    nothing = score(np.zeros(4), measured, control=np.arange(4.0))
    assert np.isnan(nothing["r_shift"])
    assert nothing["mse_top"] == 1


def test_learned_is_nearer_than_the_mean_shift(experiment):
    found = experiment(GROUPS)
    errors = {method: [] for method in (learned, mean_shift, linear, no_shift)}
    for part in folds(found):
        shift = truth(found, part).shift
        for method, error in errors.items():
            error.append(np.square(method(found, part) - shift).mean())
    mean = {method: np.mean(error) for method, error in errors.items()}
    assert mean[learned] < mean[mean_shift] < mean[no_shift]
    assert mean[linear] < mean[mean_shift]


def test_autoencoder(experiment):
    pytest.importorskip("scvi")
    found = experiment(GROUPS)
    part = next(iter(folds(found)))
    shift = truth(found, part).shift
    made = vae(found, part, steps=200, seed=0)
    assert np.corrcoef(made, shift)[0, 1] > 0.2


def test_knock_outs(experiment, experiment_adata):
    done = experiment_adata.obs["done"].astype(str)
    experiment_adata.obs["done"] = done.replace("interferon beta", "KLF3")
    found = experiment(GENES)
    with pytest.warns(UserWarning, match="no better than chance"):
        rows = compare_knock_outs(found)
    assert [row["gene"] for row in rows] == ["JAK1", "KLF3"]
    for row in rows:
        assert all(-1 <= row[name] <= 1 for name in ("own", "others", "own_rest", "others_rest"))
    # With two genes the others of one are the other.
    assert rows[0]["own"] != rows[0]["others"]


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


def test_a_run_goes_on(experiment_adata, options, bench_folder, monkeypatch, capsys):
    experiment_adata.write_h5ad(bench_folder / "data" / "made.h5ad")
    monkeypatch.setattr(perturb, "TASKS", (GROUPS,))
    perturb.main([*options, "--methods", "mean"])
    capsys.readouterr()
    perturb.main([*options, "--methods", "mean", "linear", "--resume"])
    out = capsys.readouterr().out
    assert "a1                         linear" in out
    assert "a1                         mean" not in out
    found = pd.read_csv(bench_folder / "out" / "perturb.csv")
    assert found["method"].value_counts().to_dict() == {"mean": 8, "linear": 8}


def test_tasks_name_files_of_the_shared_data(shared_data):
    for task in TASKS:
        assert (shared_data / "tasks" / f"{task.file}.h5ad").is_file()
