"""A whole run at tiny sizes: from files to a bundle that the tools can load."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.load import load_model
from scmmgpt_tl.model.scmmgpt import ScMMGPT
from scmmgpt_tl.train import calibrate, run, stage1
from scmmgpt_tl.train.config import Hardware, RunConfig
from scmmgpt_tl.train.cross_fit import read_twins
from scmmgpt_tl.train.material import model_config, start_network
from scmmgpt_tl.train.phase import load_phase, train_phase
from scmmgpt_tl.train.published_weights import learned_parts
from scmmgpt_tl.train.start_decoder import start_decoder

CPU = Hardware(accelerator="cpu", progress=False)
pytestmark = pytest.mark.xdist_group("run")


@pytest.fixture(scope="module")
def trained(run_config, tmp_path_factory):
    """Folder of a finished run, with its bundle."""
    folder = tmp_path_factory.mktemp("run")
    run.pretrain(run_config, folder, hardware=CPU)
    run.publish_run(folder, folder / "bundle", name="tiny-run", revision="1")
    return folder


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained / "bundle", device="cpu")


def curve(folder, phase, version=0):
    """Loss curve of a phase."""
    path = folder / "curves" / phase / f"version_{version}" / "metrics.csv"
    return pd.read_csv(path).set_index("step")


def test_curves_are_written(trained):
    of_stage1 = curve(trained, "stage1")
    assert {*stage1.WEIGHTS, "loss", "accuracy", "scale"} <= set(of_stage1)
    assert of_stage1["loss"].notna().all()
    assert of_stage1[list(stage1.WEIGHTS)].notna().any().all()
    for name in ("stage2_text", "stage2_expression"):
        assert curve(trained, name)["loss"].notna().all()


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
        "language_model",
    )
    return {name: getattr(config, name) for name in names}


def test_stage_one_leaves_one_file(trained):
    state = load_file(trained / "stage1.safetensors")
    assert {key.split(".")[0] for key in state} == {"cell_encoder", "bridge", "labels"}
    assert not list(trained.glob("*.unfinished"))


def test_bundle_is_that_of_the_run(model, material):
    assert (model.name, model.revision) == ("tiny-run", "1")
    assert model.genes == material.genes
    assert set(model.labels.cl_ids) < set(material.types)
    assert model.config.decoder.hf["num_hidden_layers"] == 8


def test_every_part_has_moved(model, trained, run_config, material):
    network = start_network(run_config, material)
    network.join_decoder(
        start_decoder(run_config, run.vocabulary(run_config, material), query_width=32)
    )
    start = network.state_dict()
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


def test_calibration_is_fitted_with_the_weights_of_the_bundle(model, run_config, material, trained):
    config = RunConfig.read(trained / "run.yaml")
    found, measured = calibrate.calibrate(
        model.network,
        model.label_embeddings,
        model.labels,
        model.genes,
        model.text_tokenizer,
        run_config,
        markers=model.markers,
        twins=read_twins(config, material, trained),
    )
    assert [part.name for part in measured] == ["held", "cells drawn from held-out profiles"]
    assert all(0 < part.closed <= 1 for part in measured)
    assert model.calibration.temperature == pytest.approx(found.temperature, rel=1e-3)
    assert model.calibration.slope == pytest.approx(found.slope, rel=0.05)
    assert model.calibration.intercept == pytest.approx(found.intercept, abs=0.05)
    assert model.calibration.prior == found.prior
    assert model.calibration.text_temperature == found.text_temperature
    assert model.calibration.marker_weight == found.marker_weight
    assert model.calibration.fitted_on == ("held", "human_a|Adult/Held", "human_a (in turn)")


def test_weights_of_the_bundle_are_rounded(trained, model):
    # Tiny matrices become bfloat16, larger ones would become int8.
    exact = load_file(trained / "stage1.safetensors")["cell_encoder.genes.weight"]
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
    assert "* Measured on held (" in card
    assert "their own out of the 2 that occur." in card


def test_bundle_knows_the_markers_of_its_lists_and_profiles(model, material, run_config):
    table = model.markers
    plasma = table.sources[table.terms.index("CL:0000786")].toarray()[0]
    # Eight that one source names, one of them named by two; none of the computed ones.
    assert plasma[280:288].tolist() == [2, *[1] * 7]
    assert plasma.sum() == 9
    profiled = {term for term in table.terms if table.contrast[table.terms.index(term)].nnz}
    assert profiled == set(material.profiles.terms)
    hepatocyte = table.contrast[table.terms.index("CL:0000182")].toarray()[0]
    assert set(np.argsort(-hepatocyte)[:12]) == set(range(60, 72))


def test_a_finished_run_is_not_trained_again(trained, run_config, tmp_path):
    for path in (*trained.glob("*.safetensors"), trained / "run.yaml"):
        shutil.copy(path, tmp_path)
    # Its paths are relative to the folder.
    (tmp_path / "run.yaml").unlink()
    run.pretrain(run_config, tmp_path, hardware=CPU)
    assert not (tmp_path / "curves").exists()
    run.publish_run(tmp_path, tmp_path / "bundle", name="tiny-run", revision="1")
    bundles = trained / "bundle", tmp_path / "bundle"
    for name in ("network", "decoder", "labels"):
        first, second = (bundle / f"{name}.safetensors" for bundle in bundles)
        assert first.read_bytes() == second.read_bytes()


def test_the_folder_of_another_run_is_refused(trained, run_config):
    other = replace(run_config, seed=7, stage1_steps=1)
    with pytest.raises(ValueError, match=r"is of another run: seed, stage1_steps differ"):
        run.pretrain(other, trained, hardware=CPU)


def test_a_refused_run_leaves_its_folder_to_the_mended_one(trained, run_config, tmp_path):
    folder = tmp_path / "run"
    leaking = replace(run_config, keep_out=run_config.cells)
    with pytest.raises(ValueError, match=r"The run may learn from what it must not see"):
        run.pretrain(leaking, folder, hardware=CPU)
    assert not folder.exists()
    folder.mkdir()
    # Trained already, so that only the folder is in question.
    for path in trained.glob("*.safetensors"):
        shutil.copy(path, folder)
    run.pretrain(run_config, folder, hardware=CPU)
    assert RunConfig.read(folder / "run.yaml").resolved() == run_config.resolved()


def test_an_unfinished_run_is_not_published(run_config, tmp_path):
    run_config.write(tmp_path / "run.yaml")
    with pytest.raises(FileNotFoundError, match=r"has not finished droplets, stage1, stage2"):
        run.publish_run(tmp_path, tmp_path / "bundle", name="none", revision="1")


def test_stage_one_of_another_network_is_named(trained, run_config, material, tmp_path):
    saved = load_file(trained / "stage1.safetensors")
    del saved["bridge.match_head.bias"]
    save_file(saved, tmp_path / "stage1.safetensors")
    network = ScMMGPT(model_config(run_config, material))
    with pytest.raises(ValueError, match=r"does not fit Bridge; missing: match_head.bias"):
        load_phase(network, learned_parts(network), tmp_path, "stage1")


def stage_one(config, material, folder):
    """Weights after stage 1, and its learner."""
    network = start_network(config, material)
    learner = stage1.Stage1(network, material, config)
    steps = config.warm_up_steps + config.stage1_steps
    train_phase(learner, "stage1", steps=steps, config=config, hardware=CPU, folder=folder)
    return load_file(folder / "stage1.safetensors")


def test_a_seed_decides_a_run(run_config, material, tmp_path):
    config = replace(run_config, warm_up_steps=3, stage1_steps=3)
    first = stage_one(config, material, tmp_path / "a")
    again = stage_one(config, material, tmp_path / "b")
    assert all(torch.equal(first[key], again[key]) for key in first)
    other = stage_one(replace(config, seed=1), material, tmp_path / "c")
    assert not torch.equal(first["cell_encoder.genes.weight"], other["cell_encoder.genes.weight"])


def test_a_stopped_run_goes_on_as_if_it_had_not_been(run_config, material, tmp_path, monkeypatch):
    config = replace(run_config, warm_up_steps=20, stage1_steps=12, save_every=13)
    whole = stage_one(config, material, tmp_path / "whole")
    draw, stopped = stage1.Stage1.draw, tmp_path / "stopped"

    def stop_at_17(self, step):
        if step == 17:
            msg = "the power is gone"
            raise OSError(msg)
        return draw(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(stage1.Stage1, "draw", stop_at_17)
        with pytest.raises(OSError, match="the power is gone"):
            stage_one(config, material, stopped)
    assert not (stopped / "stage1.safetensors").exists()
    resumed = stage_one(config, material, stopped)
    assert curve(stopped, "stage1", 1).index[0] == 13
    assert not [key for key in whole if not torch.equal(whole[key], resumed[key])]
    before, after = (curve(stopped, "stage1", version) for version in (0, 1))
    pd.testing.assert_frame_equal(
        pd.concat([before.loc[:12], after])[["loss", "accuracy"]],
        curve(tmp_path / "whole", "stage1")[["loss", "accuracy"]],
    )


def test_stage_one_learns(run_config, material, tmp_path):
    # Six types that are easy to tell apart: sixty steps are enough to be right about most.
    config = replace(run_config, warm_up_steps=30, stage1_steps=60, stage1_cells=48)
    stage_one(config, material, tmp_path)
    found = curve(tmp_path, "stage1")
    of_text = found["cell_text"].dropna()
    assert of_text.iloc[-1] < 0.9 * of_text.iloc[0]
    assert found["cell_label"].iloc[-1] < 0.5 * found["cell_label"].iloc[0]


def test_low_rank_changes_become_part_of_the_decoder(
    trained, run_config, model, material, tmp_path
):
    config = replace(run_config, lora_rank=2, stage2_steps=4)
    shutil.copy(trained / "stage1.safetensors", tmp_path)
    shutil.copy(trained / "stage2_expression.safetensors", tmp_path)
    run.pretrain(config, tmp_path, hardware=CPU)
    state = load_file(tmp_path / "stage2_text.safetensors")
    full = load_file(trained / "stage2_text.safetensors")
    assert state.keys() == full.keys()
    start = load_file(config.language_model / "model.safetensors")
    key = "model.layers.0.self_attn.q_proj.weight"
    change = state[f"text_decoder.language_model.{key}"] - start[key].float()
    assert torch.linalg.matrix_rank(change, atol=1e-6, rtol=1e-5) == 2
    # What is not a linear map stays as it was.
    norm = "model.norm.weight"
    assert torch.equal(state[f"text_decoder.language_model.{norm}"], start[norm].float())
