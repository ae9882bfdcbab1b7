"""Folders that are almost right, and folders that mean harm."""

from __future__ import annotations

import json

import pytest
import torch

from scmmgpt_tl.model.load import load_model

QKV = "transformer_encoder.layers.1.self_attn.Wqkv.weight"


def test_what_a_folder_is(scgpt_folder):
    model = load_model(scgpt_folder, device="cpu")
    assert (model.kind, model.key, len(model.genes)) == ("scgpt", "X_scgpt", 300)
    assert "MIT" in model.licence
    assert model.facts["network"] == "2 layers, width 16, 2 heads"
    assert not model.network.training
    assert not any(part.requires_grad for part in model.network.parameters())
    assert len(model.abilities) == 4


def test_genes_have_all_their_names(scgpt_folder):
    genes = load_model(scgpt_folder, device="cpu").genes
    assert genes.ensembl_ids[genes.by_symbol["CD3D"]] == "ENSG00000167286"
    assert not {"<pad>", "<cls>", "<eoc>"} & set(genes.symbols)


@pytest.mark.parametrize(
    ("absent", "match"),
    [
        ("args.json", "looks like scGPT, but lacks args.json; it holds best_model.pt, vocab.json"),
        ("vocab.json", "lacks vocab.json;"),
        ("best_model.pt", r"lacks the weights \(best_model.safetensors or model.safetensors"),
    ],
)
def test_a_missing_file_is_named(make_folder, absent, match):
    folder = make_folder()
    (folder / absent).unlink()
    with pytest.raises(FileNotFoundError, match=match):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({QKV: None}, r"missing: transformer\.layers\.1\.qkv\.weight"),
        ({"value_encoder.norm.bias": None}, r"missing: value_encoder\.norm\.bias"),
        ({"mvc_decoder.gene2query.bias": None}, r"missing: mvc_decoder\.gene2query\.bias"),
        ({"encoder.embedding.weight": None}, "holds no gene table"),
        ({QKV: "shorter"}, r"different: .*qkv\.weight \(47, 16\) instead of \(48, 16\)"),
        ({"encoder.embedding.weight": "shorter"}, "holds 302 rows where vocab.json has 303 tokens"),
        ({"new.weight": torch.ones(1)}, r"unexpected: new\.weight"),
        ({QKV.replace("Wqkv.", "in_proj_"): torch.zeros(48, 16)}, "Two tensors"),
    ],
)
def test_tampered_weights_are_refused(make_folder, tamper, changes, match):
    with pytest.raises(ValueError, match=match):
        load_model(make_folder(lambda state: tamper(state, changes)), device="cpu")


@pytest.mark.parametrize(
    ("args", "match"),
    [
        ({"nlayers": None}, "must give nlayers as positive whole numbers"),
        ({"nheads": "8"}, "must give nheads"),
        ({"nheads": 3}, "width of 16 cannot be shared by 3 attention heads"),
        ({"n_bins": 0}, "must give n_bins as a positive whole number, found 0"),
        ({"input_style": "log1p"}, "input_style 'log1p'"),
        ({"input_emb_style": "category"}, "'category'; the weights are 'continuous'"),
        ({"pre_norm": True}, "pre_norm"),
        ({"pad_token": "<none>"}, "no padding token '<none>'"),
        ({"pad_token": ["<pad>"]}, "is not what its files seem to be"),
        ({"dropout": []}, "is not what its files seem to be"),
        # Building such a network would never end, or take all memory.
        ({"nlayers": 10**9}, "too few for the 1,000,000,000 layers"),
        ({"embsize": 10**6}, "too few for the 2 layers with about"),
        ({"d_hid": 10**12}, "too few for the 2 layers with about"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(make_folder, args, match):
    with pytest.raises(ValueError, match=match):
        load_model(make_folder(**args), device="cpu")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda v: {k: i for k, i in v.items() if k != "<pad>"}, "without gap or repeat"),
        (lambda v: {k.replace("<cls>", "[CLS]"): i for k, i in v.items()}, "has no token '<cls>'"),
        (list, "must hold an object, not list"),
    ],
)
def test_vocabularies_that_do_not_fit_are_refused(make_folder, change, match):
    folder = make_folder()
    path = folder / "vocab.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match=match):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    "name", ["best_model.pt", "best_model.safetensors", "args.json", "vocab.json"]
)
def test_code_in_a_file_never_runs(make_folder, write_pickle, harm, harmless, name):
    folder = make_folder()
    write_pickle({"encoder.embedding.weight": harm}, folder / name)
    harmless(folder)


def test_a_folder_that_changed_is_read_anew(make_folder):
    folder = make_folder()
    first = load_model(folder, device="cpu")
    assert load_model(folder, device="cpu") is first
    state = torch.load(folder / "best_model.pt", weights_only=True)
    torch.save(state | {"sim.unused": torch.ones(2)}, folder / "best_model.pt")
    second = load_model(folder, device="cpu")
    assert second is not first
    assert second.sha256 != first.sha256
    assert second.sha256.startswith(second.revision)


def test_published_folders_have_no_revision(scgpt_folder):
    with pytest.raises(ValueError, match="bears no revision. Leave `revision` out"):
        load_model(scgpt_folder, revision="main")


def test_loading_leaves_the_users_chance_alone(make_folder):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    load_model(make_folder(), device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
