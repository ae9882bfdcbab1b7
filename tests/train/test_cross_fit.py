"""Twins of a model: what they have not seen, and what they say of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from scmmgpt_tl.model.calibration import LEAST_SLOPE
from scmmgpt_tl.model.markers import MarkerTable
from scmmgpt_tl.train.calibrate import _best_line, _p_of, calibrate
from scmmgpt_tl.train.config import Hardware
from scmmgpt_tl.train.cross_fit import left_out, read_twins, train_twins, without
from scmmgpt_tl.train.material import prepare, start_network
from scmmgpt_tl.train.publish import label_table
from scmmgpt_tl.train.text_vectors import text_vectors

STUDIES = {"human_a|Adult/One", "human_a|Adult/Two"}


@pytest.fixture(scope="module")
def config(run_config):
    sizes = run_config.architecture
    decoder = {**sizes["decoder"], "n_layers": 2, "vocabulary": 259}
    return replace(run_config, architecture={**sizes, "decoder": decoder}, cross_fit_steps=20)


@pytest.fixture(scope="module")
def folder(config, material, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    hardware = Hardware(accelerator="cpu", devices="1", progress=False)
    train_twins(config, material, folder, hardware)
    return folder


@pytest.fixture(scope="module")
def twins(config, material, folder):
    return read_twins(config, material, folder)


def test_every_study_is_left_out_by_one_twin(config, material):
    held = left_out(config, material)
    assert list(held) == ["twin0", "twin1"]
    assert set(held["twin0"]) | set(held["twin1"]) == STUDIES
    assert not set(held["twin0"]) & set(held["twin1"])
    assert left_out(config, material) == held


def test_without_studies_or_steps_there_are_no_twins(config, material):
    assert not left_out(replace(config, cross_fit=()), material)
    assert not left_out(replace(config, cross_fit=("human_c",)), material)
    assert not left_out(replace(config, cross_fit_steps=0), material)


def test_a_twin_does_not_see_what_it_judges(config, material):
    for held in left_out(config, material).values():
        seen = prepare(without(config, held)).profiles.studies
        assert seen
        assert not {s for s in seen if s.startswith(held)}


def test_what_is_trained_is_not_trained_again(config, material, folder):
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    assert set(before) == {"twin0.safetensors", "twin1.safetensors"}
    train_twins(config, material, folder, Hardware(accelerator="cpu", devices="1"))
    assert {p.name: p.stat().st_mtime_ns for p in folder.glob("*.safetensors")} == before


def test_a_missing_twin_is_named(config, material, tmp_path):
    with pytest.raises(FileNotFoundError, match="has not finished twin0"):
        read_twins(config, material, tmp_path)


def test_what_twins_say(twins):
    assert len(twins) == 2
    for twin in twins:
        n_cells, n_labels = twin.cosine.shape
        assert twin.evidence.shape == twin.right.shape == (n_cells, n_labels)
        assert twin.lines.shape == (n_labels, n_labels)
        assert twin.n_profiles.shape == (n_labels,)
        assert twin.right.any(1).all()
        # All six types differ in twelve genes: twins tell them better than by chance.
        hit = twin.right[np.arange(n_cells), twin.cosine.argmax(1)]
        assert hit.mean() > twin.right.mean() + 0.1


def test_the_line_of_the_best_label_by_hand():
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.9, 0.1, 0.0]])
    lines = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
    right = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
    line, hit = _best_line(p, lines, right)
    np.testing.assert_allclose(line, [0.8, 0.7])
    assert hit.tolist() == [False, True]


def test_scores_are_worth_what_twins_found(config, material, twins):
    labels = label_table(material)
    network = start_network(config, material)
    vectors = text_vectors(network, material.text_tokenizer, labels.cl_ids)
    markers = MarkerTable.empty(len(material.genes))
    found, _ = calibrate(
        network,
        vectors,
        labels,
        material.genes,
        material.text_tokenizer,
        config,
        markers=markers,
        twins=twins,
    )
    lines = [
        _best_line(_p_of(found, t.cosine, t.n_profiles, t.evidence), t.lines, t.right)
        for t in twins
    ]
    line, hit = map(np.concatenate, zip(*lines, strict=True))
    clipped = logit(line.clip(1e-5, 1 - 1e-5))
    by_hand = LogisticRegression(C=np.inf).fit(clipped[:, None], hit)
    # Barely trained twins know little more when they are sure: the slope is at its least.
    assert found.slope == pytest.approx(max(by_hand.coef_[0, 0], LEAST_SLOPE), abs=0.02)
    assert found.intercept == pytest.approx(by_hand.intercept_[0], abs=0.1)
    stated = expit(found.slope * clipped + found.intercept)
    assert stated.mean() == pytest.approx(hit.mean(), abs=0.01)
    assert found.fitted_on[-1] == "human_a (in turn)"
