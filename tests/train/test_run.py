"""A whole run at tiny sizes: from files to a bundle that the tools can load."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer

from scmmgpt_tl.model.load import load_model
from scmmgpt_tl.model.scmmgpt import ScMMGPT
from scmmgpt_tl.train import __main__ as run
from scmmgpt_tl.train import calibrate, stage1
from scmmgpt_tl.train.config import RunConfig
from scmmgpt_tl.train.material import model_config, prepare, start_network


@pytest.fixture(scope="module")
def trained(run_file, tmp_path_factory):
    """Folder of a finished run, with its bundle."""
    folder = tmp_path_factory.mktemp("run")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        run.main([str(run_file), str(folder), str(folder / "bundle"), "--name", "tiny-run"])
    return folder


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained / "bundle", device="cpu")


def rows(path):
    with path.open() as handle:
        return list(csv.DictReader(handle))


def test_curves_are_written(trained):
    curve = rows(trained / "stage1.csv")
    assert list(curve[0]) == ["step", "seconds", *stage1.WEIGHTS, "accuracy", "scale"]
    measured = {name for row in curve for name in stage1.WEIGHTS if row[name]}
    assert measured == set(stage1.WEIGHTS)
    assert all(np.isfinite(float(row[name])) for row in curve for name in measured if row[name])
    for name in ("stage2_text.csv", "stage2_expression.csv"):
        assert np.isfinite(float(rows(trained / name)[0]["loss"]))


def test_the_run_can_be_read_again(trained, run_config):
    again = RunConfig.read(trained / "run.yaml")
    assert [p.resolve() for p in again.profiles] == [p.resolve() for p in run_config.profiles]
    assert replace(again, **_paths(run_config)) == run_config


def _paths(config):
    names = (
        "profiles",
        "cells",
        "held_out_cells",
        "markers",
        "gencode",
        "gene_text",
        "bert",
        "llama",
    )
    return {name: getattr(config, name) for name in names}


def test_stage_one_leaves_one_file(trained):
    state = load_file(trained / "stage1.safetensors")
    assert {key.split(".")[0] for key in state} == {"cell_encoder", "bridge", "labels"}
    assert not (trained / "stage1.unfinished.safetensors").exists()


def test_bundle_is_that_of_the_run(model, material):
    assert (model.name, model.revision) == ("tiny-run", "1")
    assert model.genes == material.genes
    assert set(model.labels.cl_ids) < set(material.types)
    assert model.config.decoder.n_layers == len(run.LLAMA_LAYERS)


def test_every_part_has_moved(model, trained, run_config, material):
    config = run.with_vocabulary(run_config, model.decoder_tokenizer)
    start = start_network(config, material, torch.device("cpu")).state_dict()
    learned = model.network.state_dict()
    for part in ("cell_encoder.genes", "bridge.qformer", "expression_decoder", "text_decoder"):
        keys = [key for key in start if key.startswith(part)]
        assert any((start[key] - learned[key]).abs().max() > 1e-3 for key in keys), part
    # What tells the network of panels is a table, not something it learns.
    assert torch.equal(start["cell_encoder.average"], learned["cell_encoder.average"])


def test_bundle_embeds_describes_and_generates(model):
    counts = csr_matrix(np.random.default_rng(0).poisson(0.5, (5, 300)).astype(np.float32))
    states = model.encode_cells(counts)
    np.testing.assert_allclose(states.cell.norm(dim=-1), 1, atol=1e-5)
    texts = model.describe(
        states.queries.numpy(), ["Description:"] * 5, rng=np.random.default_rng(0), max_new_tokens=4
    )
    assert len(texts) == 5
    np.testing.assert_allclose(model.generate_expression(["T cell"]).sum(), 1, atol=1e-5)


def test_labels_lie_where_stage_one_put_them(model, trained, material):
    vectors = load_file(trained / "stage1.safetensors")["labels"].numpy()
    rows = [material.types.index(term) for term in model.labels.cl_ids]
    np.testing.assert_allclose(model.label_embeddings, vectors[rows], atol=5e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_calibration_is_fitted_with_the_weights_of_the_bundle(model, run_config):
    found = calibrate.calibrate(
        model.network,
        model.label_embeddings,
        model.labels,
        model.genes,
        model.text_tokenizer,
        run_config,
    )
    assert model.calibration.temperature == pytest.approx(found.temperature, rel=1e-3)
    np.testing.assert_allclose(model.calibration.knots_y, found.knots_y, atol=0.02)
    assert model.calibration.prior == found.prior
    assert model.calibration.text_temperature == found.text_temperature
    assert model.calibration.fitted_on == ("held", "human_a|Adult/Held")


def test_weights_of_the_bundle_are_rounded(trained, model):
    # Tiny matrices become bfloat16, larger ones would become int8.
    exact = load_file(trained / "trained.safetensors")["cell_encoder.genes.weight"]
    stored = model.network.state_dict()["cell_encoder.genes.weight"]
    assert torch.equal(stored, exact.to(torch.bfloat16).float())
    assert not torch.equal(stored, exact)


def test_labels_know_their_tissues(model):
    tissues = dict(zip(model.labels.cl_ids, model.labels.tissues, strict=True))
    assert tissues["CL:0000182"] == ("blood", "liver")
    assert tissues["CL:0000084"] == ()  # T cells travel


def test_labels_know_how_often_they_were_seen(model, material):
    # Real cells of a type count as one profile more.
    real = {term for part in material.cells for term in part.terms}
    for term, n in zip(model.labels.cl_ids, model.labels.n_profiles, strict=True):
        assert n == material.profiles.terms.count(term) + (term in real)


def test_types_made_of_markers_alone_are_not_labels(model, material):
    alone = {t for t, n in zip(material.types, material.n_profiles, strict=True) if not n}
    assert alone == {"CL:0000786"}
    assert set(model.labels.cl_ids) == set(material.types) - alone


def test_card_says_what_was_trained_on_and_what_not(trained):
    card = (trained / "bundle" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# tiny-run 1\n")
    assert "cells (60 cells)" in card
    assert "Held out, and used for calibration only: held, human_a|Adult/Held." in card


def test_a_finished_stage_one_is_used_again(trained, run_config, material, tmp_path, monkeypatch):
    config = run.with_vocabulary(run_config, _tokenizer(run_config))
    network = start_network(config, material, torch.device("cpu"))
    assert stage1.resume_stage1(network, tmp_path) is None
    assert stage1.resume_stage1(network.train(), trained) is not None
    assert not network.training
    saved = load_file(trained / "stage1.safetensors")
    assert saved.pop("labels").shape[0] == len(material.types)
    state = network.state_dict()
    assert all(torch.equal(state[key], value) for key, value in saved.items())


def test_a_finished_run_is_only_published_again(trained, run_file, tmp_path):
    again = tmp_path / "run"
    again.mkdir()
    for name in ("stage1.safetensors", "trained.safetensors"):
        (again / name).symlink_to(trained / name)
    run.main([str(run_file), str(again), str(again / "bundle"), "--name", "tiny-run"])
    assert not list(again.glob("*.csv"))
    bundles = trained / "bundle", again / "bundle"
    for name in ("network", "decoder", "labels"):
        first, second = (bundle / f"{name}.safetensors" for bundle in bundles)
        assert first.read_bytes() == second.read_bytes()


def test_an_unfinished_stage_one_is_not_used(trained, run_config, material, tmp_path):
    saved = load_file(trained / "stage1.safetensors")
    save_file(saved, tmp_path / "stage1.unfinished.safetensors")
    network = ScMMGPT(model_config(run_config, n_genes=len(material.genes)))
    assert stage1.resume_stage1(network, tmp_path) is None


def test_stage_one_of_another_network_is_named(trained, run_config, material, tmp_path):
    saved = load_file(trained / "stage1.safetensors")
    del saved["bridge.match_head.bias"]
    save_file(saved, tmp_path / "stage1.safetensors")
    network = ScMMGPT(model_config(run_config, n_genes=len(material.genes)))
    with pytest.raises(ValueError, match=r"does not fit Bridge; missing: match_head.bias"):
        stage1.resume_stage1(network, tmp_path)


def _tokenizer(config):
    return Tokenizer.from_file(str(config.llama / "tokenizer.json"))


def short_run(config, folder):
    """Weights after a few steps of stage 1, from scratch."""
    material = prepare(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = start_network(config, material, torch.device("cpu"))
        stage1.train_stage1(network, material, config, folder)
    return network.state_dict()


def test_a_seed_decides_a_run(run_config, tmp_path):
    config = replace(run_config, warm_up_steps=3, stage1_steps=3)
    first, again = (short_run(config, tmp_path) for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    other = short_run(replace(config, seed=1), tmp_path)
    assert not torch.equal(first["cell_encoder.genes.weight"], other["cell_encoder.genes.weight"])


def test_stage_one_learns(run_config, material, tmp_path):
    # Six types that are easy to tell apart: sixty steps are enough to be right about most.
    config = replace(run_config, warm_up_steps=30, stage1_steps=60, stage1_cells=48)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = start_network(config, material, torch.device("cpu"))
        stage1.train_stage1(network, material, config, tmp_path)
    curve = rows(tmp_path / "stage1.csv")
    of_text = [float(row["cell_text"]) for row in curve if row["cell_text"]]
    assert of_text[-1] < 0.8 * of_text[0]
    assert float(curve[-1]["cell_label"]) < 0.5 * float(curve[0]["cell_label"])
    assert not network.training


def test_what_drawing_raises_ends_the_run(run_config, material, tmp_path):
    network = start_network(run_config, material, torch.device("cpu"))
    broken = replace(run_config, stage1_cells=-0)
    source = replace(material, source=_Broken())
    with pytest.raises(OSError, match="the disk is gone"):
        stage1.train_stage1(network, source, broken, tmp_path)
    assert not (tmp_path / "stage1.safetensors").exists()


class _Broken:
    def draw(self, n, rng):
        msg = "the disk is gone"
        raise OSError(msg)
