from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from scmmgpt_tl.model import load
from scmmgpt_tl.model.bundle import read_bundle, write_bundle
from scmmgpt_tl.model.load import bundle_tensors, load_model, pick_device, pick_dtype
from scmmgpt_tl.model.quantize import relative_errors


def rewrite(source: Path, target: Path, **change: object) -> Path:
    """Write the bundle in ``source`` again with some of its parts changed."""
    old = read_bundle(source)
    parts = {
        "config": old.config,
        "tensors": old.tensors,
        "genes": old.genes,
        "labels": old.labels,
        "calibration": old.calibration,
        "text_tokenizer_json": old.text_tokenizer.read_text(encoding="utf-8"),
        "decoder_tokenizer_json": old.decoder_tokenizer.read_text(encoding="utf-8"),
        "card": "",
        "name": old.name,
        "revision": old.revision,
        "licence": old.licence,
    }
    write_bundle(target, **parts | change)
    return target


def test_model_carries_what_the_bundle_says(tiny_model, tiny_bundle):
    files = read_bundle(tiny_bundle)
    assert (tiny_model.name, tiny_model.revision) == ("tiny", "r1")
    assert (tiny_model.sha256, tiny_model.licence) == (files.sha256, "BSD-3-Clause")
    assert tiny_model.genes == files.genes
    assert tiny_model.labels == files.labels
    assert tiny_model.calibration == files.calibration
    assert tiny_model.config.to_dict() == files.config
    assert (tiny_model.device, tiny_model.dtype) == (torch.device("cpu"), torch.float32)


def test_network_is_ready_for_use_and_not_for_training(tiny_model):
    assert not tiny_model.network.training
    assert not any(p.requires_grad for p in tiny_model.network.parameters())
    assert {p.dtype for p in tiny_model.network.parameters()} == {torch.float32}


def test_weights_are_those_on_disk(tiny_model, tiny_bundle):
    stored = read_bundle(tiny_bundle).tensors
    state = tiny_model.network.state_dict()
    for key, tensor in (stored["network"] | stored["decoder"]).items():
        assert torch.equal(state[key], tensor), key
    assert all(key.startswith("text_decoder.") for key in stored["decoder"])
    assert not any(key.startswith("text_decoder.") for key in stored["network"])


def test_stored_label_vectors_are_those_of_the_label_names(tiny_model):
    # The stored ones are from before the weights were quantised.
    cosine = (tiny_model.embed_text(tiny_model.labels.names) * tiny_model.label_embeddings).sum(1)
    assert (cosine > 0.999).all()


def test_bundle_tensors_are_small_and_close(tiny_model):
    tensors = bundle_tensors(tiny_model.network, tiny_model.label_embeddings, min_size=512)
    assert tensors.keys() == {"network", "decoder", "labels"}
    assert tensors["network"]["cell_encoder.genes.weight"].dtype == torch.int8
    np.testing.assert_array_equal(
        tensors["labels"]["label_embeddings"], tiny_model.label_embeddings
    )


def test_writing_a_loaded_model_again_changes_next_to_nothing(tiny_model, tiny_bundle, tmp_path):
    again = bundle_tensors(tiny_model.network, tiny_model.label_embeddings, min_size=512)
    copy = load_model(rewrite(tiny_bundle, tmp_path / "again", tensors=again), device="cpu")
    errors = relative_errors(tiny_model.network.state_dict(), copy.network.state_dict())
    assert max(errors.values()) < 1e-6


def test_a_second_load_is_the_same_model(tiny_bundle, monkeypatch):
    first = load_model(tiny_bundle, device="cpu")
    monkeypatch.chdir(tiny_bundle.parent)
    assert load_model("tiny", device="cpu") is first
    assert load_model("./tiny", device="cpu", dtype="float32", revision="r1") is first


def test_another_dtype_is_another_model(tiny_model, tiny_bundle):
    half = load_model(tiny_bundle, device="cpu", dtype="bfloat16")
    assert half.dtype == torch.bfloat16
    assert tiny_model.dtype == torch.float32


def test_a_bundle_replaced_on_disk_is_read_anew(tiny_bundle, tmp_path):
    folder = rewrite(tiny_bundle, tmp_path / "model")
    first = load_model(folder, device="cpu")
    rewrite(tiny_bundle, folder, revision="r2")
    assert load_model(folder, device="cpu").revision == "r2"
    assert first.revision == "r1"


def test_threads_share_one_model(tiny_bundle, tmp_path):
    folder, found = rewrite(tiny_bundle, tmp_path / "model"), []
    threads = [
        threading.Thread(target=lambda: found.append(load_model(folder, device="cpu")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({id(model) for model in found}) == 1


def test_loading_leaves_random_state_and_threads(tiny_bundle, tmp_path):
    before = torch.get_rng_state(), torch.get_num_threads()
    load_model(rewrite(tiny_bundle, tmp_path / "model"), device="cpu")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]


def test_bfloat16_stays_close_to_float32(tiny_model, tiny_bundle, counts_adata):
    half = load_model(tiny_bundle, device="cpu", dtype="bfloat16")
    rows = counts_adata.X[:, : len(tiny_model.genes)]
    exact = tiny_model.encode_cells(rows).cell.numpy()
    cosine = (exact * half.encode_cells(rows).cell.float().numpy()).sum(1)
    assert (cosine > 0.99).all()


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_weights_that_do_not_fit_are_named(tiny_bundle, tmp_path, change):
    tensors = read_bundle(tiny_bundle).tensors
    network = dict(tensors["network"])
    key = "bridge.match_head.weight"
    match change:
        case "missing":
            del network[key]
        case "unexpected":
            network["extra.weight"] = torch.ones(2)
        case "shape":
            network[key] = torch.ones(2, 33)
    folder = rewrite(tiny_bundle, tmp_path / "model", tensors=tensors | {"network": network})
    named = {
        "missing": rf"missing: {key}\.",
        "unexpected": r"unexpected: extra.weight\.",
        "shape": rf"different: {key} \(2, 33\) instead of \(2, 32\)\.",
    }
    with pytest.raises(ValueError, match=rf"model does not fit ScMMGPT; {named[change]}"):
        load_model(folder, device="cpu")


def test_a_missing_weights_file_is_named(tiny_bundle, tmp_path):
    tensors = read_bundle(tiny_bundle).tensors
    del tensors["decoder"]
    folder = rewrite(tiny_bundle, tmp_path / "model", tensors=tensors)
    with pytest.raises(ValueError, match=r"must hold network.safetensors, decoder.safetensors"):
        load_model(folder, device="cpu")


def test_another_number_of_genes_is_refused(tiny_bundle, tmp_path, tiny_model):
    genes = type(tiny_model.genes)(("CD3D",), ("",), ((),))
    folder = rewrite(tiny_bundle, tmp_path / "model", genes=genes)
    with pytest.raises(ValueError, match=r"genes.tsv of .* has size 1 where 300 is expected"):
        load_model(folder, device="cpu")


def test_another_number_of_labels_is_refused(tiny_bundle, tmp_path, tiny_model):
    labels = type(tiny_model.labels)(("T cell",), ("CL:0000084",), ((),))
    folder = rewrite(tiny_bundle, tmp_path / "model", labels=labels)
    with pytest.raises(ValueError, match=r"size \(12, 16\) where \(1, 16\) is expected"):
        load_model(folder, device="cpu")


def test_an_unknown_part_of_the_architecture_is_refused(tiny_bundle, tmp_path):
    config = read_bundle(tiny_bundle).config
    folder = rewrite(tiny_bundle, tmp_path / "model", config=config | {"diffusion": {}})
    with pytest.raises(ValueError, match="diffusion"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("part", "change", "match"),
    [
        ("bridge", {"n_layers": 10**9}, "`n_layers` in config.json of .* is 1,000,000,000"),
        ("encoder", {"n_blocks": 10**9}, "`n_blocks` in config.json of .* is 1,000,000,000"),
        ("bridge", {"n_heads": "4"}, "`architecture` in .* is of no network"),
        ("expression", {"width": -1}, "`architecture` in .* is of no network"),
    ],
)
def test_sizes_that_no_network_has_are_refused(tiny_bundle, tmp_path, part, change, match):
    architecture = json.loads((tiny_bundle / "config.json").read_text())["architecture"]
    architecture[part] |= change
    folder = rewrite(tiny_bundle, tmp_path / "bundle", config=architecture)
    with pytest.raises(ValueError, match=match):
        load_model(folder, device="cpu")


@pytest.mark.parametrize("slot", ["text_tokenizer_json", "decoder_tokenizer_json"])
def test_tokenizers_that_are_none_are_refused(tiny_bundle, tmp_path, slot):
    folder = rewrite(tiny_bundle, tmp_path / "bundle", **{slot: '{"model": "none"}'})
    with pytest.raises(ValueError, match="tokenizer.json is no tokenizer"):
        load_model(folder, device="cpu")


def test_tampered_weights_are_refused(tiny_bundle, tmp_path):
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "model"))
    path = folder / "network.safetensors"
    state = load_file(path)
    state["bridge.match_head.bias"] = state["bridge.match_head.bias"] + 1
    save_file({key: tensor.clone() for key, tensor in state.items()}, path)
    with pytest.raises(ValueError, match=r"network.safetensors has"):
        load_model(folder, device="cpu")


def test_no_such_model():
    with pytest.raises(FileNotFoundError, match=r"no model 'unheard-of'. Give 'default', the path"):
        load_model("unheard-of")


def test_a_missing_path_is_not_sought_on_the_hub(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no model '/.*absent'\. Give"):
        load_model(tmp_path / "absent")


def test_a_folder_without_bundle(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config.json is missing"):
        load_model(tmp_path)


def test_offline_hub_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="Model 'owner/model' is not in the cache"):
        load_model("owner/model", cache_dir=tmp_path, offline=True)


def test_an_existing_path_wins_over_the_hub(tiny_bundle, tmp_path, monkeypatch):
    shutil.copytree(tiny_bundle, tmp_path / "owner" / "model")
    monkeypatch.chdir(tmp_path)
    assert load_model("owner/model", device="cpu").name == "tiny"


def test_revision_pins_a_folder_too(tiny_bundle):
    assert load_model(tiny_bundle, revision="r1", device="cpu").revision == "r1"
    with pytest.raises(ValueError, match="holds revision 'r1' where `revision` asks for 'r2'"):
        load_model(tiny_bundle, revision="r2", device="cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:77", "cpu:x", "meta2"])
def test_devices_that_are_not_there(name):
    with pytest.raises(ValueError, match=rf"`device` '{name}' cannot be used"):
        pick_device(name)


def test_device_by_default_is_the_best_there_is():
    best = "cuda" if torch.cuda.is_available() else None
    best = best or ("mps" if torch.backends.mps.is_available() else "cpu")
    assert pick_device(None).type == pick_device("auto").type == best


def test_dtype_by_default_suits_the_device():
    assert pick_dtype(None, torch.device("cpu")) == torch.float32
    assert pick_dtype("auto", torch.device("cpu")) == torch.float32
    assert pick_dtype("bfloat16", torch.device("cpu")) == torch.bfloat16


def test_unknown_dtype():
    with pytest.raises(
        ValueError, match="`dtype` must be one of float32, bfloat16, float16, found"
    ):
        pick_dtype("int8", torch.device("cpu"))


def test_model_namespace_is_lazy():
    from scmmgpt_tl import model

    assert model.load_model is load.load_model
    assert model.__all__ == ["EncoderModel", "Model", "load_model"]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = model.nothing


def test_config_on_disk_is_readable(tiny_bundle):
    content = json.loads((tiny_bundle / "config.json").read_text(encoding="utf-8"))
    assert content["format_version"] == 2
    assert content["architecture"]["bridge"]["n_queries"] == 3
