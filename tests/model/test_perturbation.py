from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from scmmgpt_tl.model.perturbation import Check, PerturbationModel
from scmmgpt_tl.model.shifts import Rule


@pytest.fixture
def fitted(tiny_model):
    """Three perturbations in two groups over four genes; one shift was filled in."""
    rng = np.random.default_rng(0)
    return PerturbationModel(
        tiny_model,
        "done",
        "control",
        "group",
        perturbations=("A", "B", "C"),
        groups=("x", "y"),
        genes=tiny_model.genes.symbols[:4],
        control=rng.random((2, 4), dtype=np.float32),
        shifts=rng.random((3, 2, 4), dtype=np.float32),
        n_cells=np.array([[20, 0], [20, 20], [20, 20]]),
        group_features={"expression": rng.random((2, 4), dtype=np.float32)},
        perturbation_features={"words": rng.random((3, 5), dtype=np.float32)},
        rules={"group": Rule(), "perturbation": Rule("words", 1.0)},
        checks=(
            Check("perturbation", "A", 0.5, 0.3, 0.1, 0.2),
            Check("perturbation", "B", 0.7, 0.5, 0.1, 0.2),
        ),
    )


def test_what_was_measured_is_given_as_it_was(fitted):
    groups = {"expression": np.zeros((3, 4))}
    found = fitted.predict("A", {}, ["y", "x", "new"], groups)
    np.testing.assert_allclose(found.shift[:2], fitted.shifts[0, [1, 0]])
    np.testing.assert_allclose(found.shift[2], fitted.shifts[0].mean(0), rtol=1e-6)
    assert found.basis == ("other groups", "measured", "other groups")
    np.testing.assert_array_equal(found.groups, [[0, 1], [1, 0], [0.5, 0.5]])


def test_others_are_weighted_means(fitted):
    words = fitted.perturbation_features["words"]
    groups = {"expression": np.zeros((2, 4))}
    found = fitted.predict("new", {"words": words[:1]}, ["x", "other"], groups)
    assert found.basis == ("other perturbations", "other groups and perturbations")
    weights = found.perturbations[0]
    assert weights.sum() == pytest.approx(1)
    # It is called as the first is.
    assert weights.argmax() == 0
    np.testing.assert_allclose(found.shift[0], weights @ fitted.shifts[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found.shift[1], weights @ fitted.shifts.mean(1), rtol=1e-5)


def test_expected_correlation_is_that_of_what_was_held_out(fitted):
    assert fitted.expected("other perturbations") == pytest.approx((0.6, 0.4))
    for basis in ("measured", "other groups", "other groups and perturbations"):
        assert np.isnan(fitted.expected(basis)).all()


def test_is_saved_and_loaded(fitted, tmp_path, tiny_model):
    folder = tmp_path / "deep" / "learned"
    fitted.save(folder)
    assert {path.name for path in folder.iterdir()} == {"config.json", "shifts.safetensors"}
    again = PerturbationModel.load(folder, tiny_model)
    for name in ("perturbations", "groups", "genes", "rules", "checks", "groupby", "control_label"):
        assert getattr(again, name) == getattr(fitted, name)
    for name in ("control", "shifts", "n_cells"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fitted, name))
    assert again.n_cells.dtype.kind == "i"
    np.testing.assert_array_equal(
        again.perturbation_features["words"], fitted.perturbation_features["words"]
    )
    fitted.save(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["learned"]


def test_nothing_else_is_replaced(fitted, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileExistsError, match="is not a perturbation model"):
        fitted.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_another_model_is_refused(fitted, tmp_path, tiny_model):
    fitted.save(tmp_path / "learned")
    with pytest.raises(ValueError, match="was made with the model tiny"):
        PerturbationModel.load(tmp_path / "learned", replace(tiny_model, sha256="0" * 64))


def test_damage_is_named(fitted, tmp_path, tiny_model):
    folder = tmp_path / "learned"
    fitted.save(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "version": 99}))
    with pytest.raises(ValueError, match="version 99"):
        PerturbationModel.load(folder, tiny_model)
    del config["rules"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="is damaged"):
        PerturbationModel.load(folder, tiny_model)
    (folder / "shifts.safetensors").write_bytes(b"\x80\x04 pickled")
    with pytest.raises(ValueError, match=r"is damaged|is a pickle"):
        PerturbationModel.load(folder, tiny_model)
    (folder / "shifts.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"shifts.safetensors is missing"):
        PerturbationModel.load(folder, tiny_model)


def test_some_genes_only(fitted):
    part = fitted.over(np.array([2, 0]))
    assert part.genes == (fitted.genes[2], fitted.genes[0])
    np.testing.assert_array_equal(part.shifts, fitted.shifts[..., [2, 0]])
    np.testing.assert_array_equal(
        part.group_features["expression"], fitted.group_features["expression"][:, [2, 0]]
    )
