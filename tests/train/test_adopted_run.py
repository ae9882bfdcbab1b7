"""A run whose cells are read by a published encoder: from its folder to a bundle that stands alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import scmmgpt_tl as scmm
from scmmgpt_tl.model.load import load_model
from scmmgpt_tl.model.load_encoder import load_encoder
from scmmgpt_tl.train import run, stage1
from scmmgpt_tl.train.config import Hardware, RunConfig
from scmmgpt_tl.train.encoder_entry import EncoderEntry
from scmmgpt_tl.train.material import prepare, start_network
from scmmgpt_tl.train.phase import train_phase

CPU = Hardware(accelerator="cpu", progress=False)
PREFIX = "cell_encoder.published."
WAYS = [("scgpt", False), ("scgpt", True), ("geneformer", False), ("geneformer", True)]
SHORT = {"warm_up_steps": 3, "stage1_steps": 11, "stage2_steps": 2, "droplet_steps": 2}
pytestmark = pytest.mark.xdist_group("adopted")


def with_encoder(config, kind, folder, **changes):
    """The tiny run, read by a published encoder."""
    sizes = {**config.architecture, "encoder": {"width": 20, "dropout": 0.0}}
    entry = EncoderEntry(kind, folder)
    return replace(config, architecture=sizes, encoder=entry, **changes)


@pytest.fixture(scope="module")
def folders(scgpt_folder, geneformer_folder):
    return {"scgpt": scgpt_folder, "geneformer": geneformer_folder}


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}-{'tuned' * way[1]}")
def trained(request, run_config, folders, tmp_path_factory):
    """A finished run with its bundle; the folder of the encoder is gone."""
    kind, tuned = request.param
    root = tmp_path_factory.mktemp("adopted")
    source = shutil.copytree(folders[kind], root / kind)
    # One of them has its scores measured by twins.
    twins = {"cross_fit_steps": 2 if (kind, tuned) == ("geneformer", False) else 0}
    config = with_encoder(
        run_config, kind, source, encoder_tuned=tuned, expression_steps=2, **SHORT, **twins
    )
    run.pretrain(config, root / "run", hardware=CPU)
    run.publish_run(root / "run", root / "bundle", name="adopted", revision="1")
    published = load_encoder(source, torch.device("cpu"), torch.float32).network.state_dict()
    shutil.rmtree(source)
    return root, kind, tuned, published


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained[0] / "bundle", device="cpu")


def test_only_a_tuned_encoder_changes(trained, model):
    _, _, tuned, published = trained
    found = model.network.cell_encoder.published.state_dict()
    assert found.keys() == published.keys()
    changed = [key for key in found if not torch.equal(found[key], published[key])]
    assert bool(changed) == tuned


def test_only_what_was_trained_is_kept(trained):
    root, _, tuned, _ = trained
    kept = load_file(root / "run" / "stage1.safetensors")
    assert any(key.startswith(PREFIX) for key in kept) == tuned
    assert "cell_encoder.genes.weight" in kept
    of_bundle = {path.name for path in (root / "bundle").iterdir()}
    assert {"encoder.safetensors", "cell_tokenizer.json"} < of_bundle


def test_the_bundle_says_what_it_holds(trained, model, capsys):
    from scmmgpt_tl.cli import main

    root, kind, tuned, _ = trained
    title, licence = {"scgpt": ("scGPT", "MIT"), "geneformer": ("Geneformer V2", "Apache-2.0")}[
        kind
    ]
    encoder = model.config.encoder
    assert (encoder.kind, encoder.title, encoder.tuned) == (kind, title, tuned)
    assert encoder.n_known == len(model.genes)
    assert model.licence.startswith(f"BSD-3-Clause, but for the cell encoder ({title}): {licence}")
    assert model.licence.endswith(
        "; and for what became of the BERT and the language model: see the card"
    )
    card = (root / "bundle" / "README.md").read_text(encoding="utf-8")
    assert f"* Licence of the cell encoder's weights: {licence}" in card
    assert ("trained on." if tuned else "as they were published.") in card
    assert main(["info", str(root / "bundle")]) == 0
    told = capsys.readouterr().out
    assert f"{title} (kind {kind}), weights {'trained on' if tuned else 'as published'}" in told
    assert licence in told


def test_the_tools_take_it(model, counts_adata):
    cells = counts_adata
    scmm.tl.annotate(cells, model=model)
    assert set(cells.obs["scmm_cell_type"]) <= {*model.labels.names, "unknown"}
    assert cells.obs["scmm_cell_type_score"].between(0, 1).all()
    scmm.tl.embed(cells, model=model)
    np.testing.assert_allclose(np.linalg.norm(cells.obsm["X_scmm"], axis=1), 1, atol=1e-5)
    scmm.tl.search(cells, "T cell", model=model)
    scmm.tl.describe(cells, groupby="cluster", model=model)
    assert len(scmm.get.description_df(cells)) == 3
    made = scmm.tl.generate("T cell", 3, model=model, library_size=500)
    assert made.shape == (3, len(model.genes))


def test_batches_and_order_do_not_matter(model, counts_adata):
    counts = counts_adata.X.toarray()
    counts[4] = 0
    counts_adata.X = counts
    other = counts_adata[::-1].copy()
    for cells, size in ((counts_adata, None), (other, 7)):
        scmm.tl.embed(cells, model=model, batch_size=size)
        scmm.tl.annotate(cells, model=model, batch_size=size)
    scores = other.obs.loc[counts_adata.obs_names, "scmm_cell_type_score"]
    np.testing.assert_allclose(scores, counts_adata.obs["scmm_cell_type_score"], rtol=0, atol=1e-5)
    assert scores.nunique() > 1
    found = other[counts_adata.obs_names].obsm["X_scmm"]
    np.testing.assert_allclose(found, counts_adata.obsm["X_scmm"], rtol=0, atol=1e-5)
    assert np.isfinite(found).all()


def test_it_can_be_taught_and_saved(model, counts_adata, tmp_path):
    tuned = scmm.train.finetune(counts_adata, "cluster", model=model, max_cells=5)
    tuned.save(tmp_path / "tuned")
    again = load_model(tmp_path / "tuned", device="cpu")
    assert again.licence == model.licence
    assert f"Licence: {model.licence}." in (tmp_path / "tuned" / "README.md").read_text()
    rows = counts_adata[:, list(model.genes.symbols)].X[:5]
    expected, found = (one.encode_cells(rows).cell for one in (tuned, again))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["encoder.safetensors", "cell_tokenizer.json"])
def test_what_was_changed_is_refused(trained, tmp_path, name):
    bundle = shutil.copytree(trained[0] / "bundle", tmp_path / "bundle")
    content = bytearray((bundle / name).read_bytes())
    content[-3] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} has SHA-256 .* it was changed after"):
        load_model(bundle, device="cpu")
    (bundle / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
        load_model(bundle, device="cpu")


def stage_one(config, folder):
    """Weights after stage 1."""
    material = prepare(config)
    learner = stage1.Stage1(start_network(config, material), material, config)
    steps = config.warm_up_steps + config.stage1_steps
    train_phase(learner, "stage1", steps=steps, config=config, hardware=CPU, folder=folder)
    return load_file(folder / "stage1.safetensors")


@pytest.mark.parametrize("tuned", [False, True], ids=["frozen", "tuned"])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    run_config, folders, tmp_path, monkeypatch, tuned
):
    config = with_encoder(
        run_config, "scgpt", folders["scgpt"], encoder_tuned=tuned, **SHORT | {"save_every": 5}
    )
    whole = stage_one(config, tmp_path / "whole")
    draw, stopped = stage1.Stage1.draw, tmp_path / "stopped"

    def stop_at_8(self, step):
        if step == 8:
            msg = "the power is gone"
            raise OSError(msg)
        return draw(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(stage1.Stage1, "draw", stop_at_8)
        with pytest.raises(OSError, match="the power is gone"):
            stage_one(config, stopped)
    resumed = stage_one(config, stopped)
    assert whole.keys() == resumed.keys()
    assert not [key for key in whole if not torch.equal(whole[key], resumed[key])]


def test_other_weights_in_the_folder_are_noticed(run_config, folders, tmp_path, monkeypatch):
    source = shutil.copytree(folders["geneformer"], tmp_path / "geneformer")
    config = with_encoder(run_config, "geneformer", source, **SHORT)
    folder = tmp_path / "run"

    def stop(*_, **__):
        msg = "the power is gone"
        raise OSError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(run, "train_phase", stop)
        with pytest.raises(OSError, match="the power is gone"):
            run.pretrain(config, folder, hardware=CPU)
    assert RunConfig.read(folder / "run.yaml").resolved() == config.resolved()
    state = load_file(source / "model.safetensors")
    state["bert.embeddings.LayerNorm.bias"] += 1
    save_file(state, source / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"began with other weights of Geneformer V2 than are in"):
        run.pretrain(config, folder, hardware=CPU)
    with pytest.raises(ValueError, match=r"began with other weights of Geneformer V2 than are in"):
        run.publish_run(folder, tmp_path / "bundle", name="none", revision="1")


def test_a_bundle_without_its_tokenizer_is_refused(trained, tmp_path):
    from scmmgpt_tl.model.bundle import _digest

    bundle = shutil.copytree(trained[0] / "bundle", tmp_path / "bundle")
    content = json.loads((bundle / "config.json").read_text())
    del content["files"]["cell_tokenizer.json"]
    (bundle / "cell_tokenizer.json").unlink()
    content["sha256"] = _digest(content)
    (bundle / "config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"lacks cell_tokenizer.json, which goes with the cell"):
        load_model(bundle, device="cpu")
