"""Checkpoints that are almost right, that mean harm, and what tools make of a good one."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm
from scmmgpt_tl.cli import main
from scmmgpt_tl.model.load import load_model


@pytest.mark.parametrize(("stage", "width"), [(1, 8), (2, 128)])
def test_what_a_folder_is(make_folder, stage, width):
    model = load_model(make_folder(stage), device="cpu")
    assert model.name == f"scMMGPT of its authors, stage {stage}"
    assert (model.kind, model.key, len(model.genes)) == ("scmmgpt", "X_scmmgpt", 300)
    assert model.facts["bridge"] == "3 queries, 4 layers, width 128"
    assert "no licence" in model.licence
    assert model.encode_cells(csr_matrix((2, 300), dtype=np.float32)).cell.shape == (2, width)
    assert not any(part.requires_grad for part in model.network.parameters())


@pytest.mark.parametrize("wrapper", ["module.", "_forward_module."])
def test_names_of_wrapped_networks(make_folder, wrapper):
    def wrapped(state):
        return {wrapper + key: part for key, part in state.items()}

    assert load_model(make_folder(1, wrapped), device="cpu").kind == "scmmgpt"


def test_attention_without_flash(make_folder):
    def renamed(state):
        return {key.replace("self_attn.Wqkv.", "self_attn.in_proj_"): v for key, v in state.items()}

    assert load_model(make_folder(1, renamed), device="cpu").kind == "scmmgpt"


def test_a_checkpoint_beside_the_scgpt_it_began_from(make_folder, scgpt_folder):
    folder = make_folder()
    for name in ("args.json", "best_model.pt"):
        shutil.copy(scgpt_folder / name, folder / name)
    assert load_model(folder, device="cpu").kind == "scmmgpt"
    (folder / "last.ckpt").unlink()
    assert load_model(folder, device="cpu").kind == "scgpt"


def test_two_checkpoints_are_one_too_many(make_folder):
    folder = make_folder()
    shutil.copy(folder / "last.ckpt", folder / "first.ckpt")
    with pytest.raises(ValueError, match=r"must hold one checkpoint .*first\.ckpt, last\.ckpt"):
        load_model(folder, device="cpu")


def test_a_checkpoint_stands_for_its_folder(make_folder, capsys):
    folder = make_folder()
    whole = load_model(folder, device="cpu")
    shutil.copy(folder / "last.ckpt", folder / "first.ckpt")
    model = load_model(folder / "last.ckpt", device="cpu")
    assert (model.sha256, model.name) == (whole.sha256, whole.name)
    rows = csr_matrix(np.random.default_rng(0).poisson(0.3, (3, 300)).astype(np.float32))
    assert torch.equal(model.encode_cells(rows).cell, whole.encode_cells(rows).cell)
    assert np.array_equal(model.embed_text(["t cell"]), whole.embed_text(["t cell"]))
    (folder / "linked.ckpt").symlink_to(shutil.move(folder / "first.ckpt", folder.parent / "blob"))
    assert load_model(folder / "linked.ckpt", device="cpu").sha256 == whole.sha256
    assert main(["info", str(folder / "last.ckpt")]) == 0
    assert "kind scmmgpt" in capsys.readouterr().out


def test_what_lies_beside_a_checkpoint_is_read_anew(make_folder):
    path = make_folder() / "last.ckpt"
    first = load_model(path, device="cpu")
    assert load_model(path, device="cpu") is first
    path.with_name("vocab.txt").unlink()
    with pytest.raises(FileNotFoundError, match="no vocabulary of words"):
        load_model(path, device="cpu").embed_text(["T cell"])
    path.with_name("vocab.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"looks like scMMGPT .*lacks vocab\.json"):
        load_model(path, device="cpu")


@pytest.mark.parametrize("name", ["vocab.json", "other.ckpt", "best_model.pt"])
def test_another_file_is_no_model(make_folder, scgpt_folder, capsys, name):
    folder = make_folder()
    shutil.copy(scgpt_folder / "best_model.pt", folder / "best_model.pt")
    torch.save({"state_dict": {"weight": torch.zeros(2)}}, folder / "other.ckpt")
    with pytest.raises(ValueError, match=r"is a single file, .*a bundle.*scGPT: args\.json"):
        load_model(folder / name, device="cpu")
    if name != "vocab.json":
        assert main(["info", str(folder / name)]) == 2
        assert "is a single file" in capsys.readouterr().err


def test_vocabulary_of_genes_is_needed(make_folder):
    folder = make_folder()
    (folder / "vocab.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"looks like scMMGPT .*lacks vocab\.json"):
        load_model(folder, device="cpu")


def test_vocabulary_of_words_is_needed_for_texts(make_folder):
    folder = make_folder()
    (folder / "vocab.txt").unlink()
    with pytest.raises(FileNotFoundError, match="no vocabulary of words"):
        load_model(folder, device="cpu").embed_text(["T cell"])


def test_a_text_in_which_nothing_can_be_read(make_folder):
    with pytest.raises(ValueError, match="Nothing can be read in the text ' '"):
        load_model(make_folder(), device="cpu").embed_text(["cell", " "])


ROOT = "blip2qformer."
LAYER = f"{ROOT}Qformer.bert.encoder.layer.2."


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({f"{LAYER}crossattention.self.key.weight": None}, r"layers\.2\.reading\.keys\.weight"),
        ({f"{LAYER}attention.self.value.bias": None}, r"lacks layers\.2\.value\.bias"),
        ({f"{LAYER}output_query.dense.bias": None}, r"layers\.2\.queries\.contract\.bias"),
        ({f"{ROOT}cell_proj.weight": None}, "lacks cell_proj.weight"),
        ({f"{ROOT}gtm_head.bias": None}, r"missing: match_head\.bias"),
        ({f"{ROOT}ln_gene.bias": None}, r"missing: cell_norm\.bias"),
        ({f"{ROOT}query_tokens": None}, "lacks query_tokens"),
        (
            {f"{ROOT}cell_encoder.model.transformer_encoder.layers.1.self_attn.Wqkv.weight": None},
            r"missing: transformer\.layers\.1\.qkv\.weight",
        ),
        (
            {f"{LAYER}output.dense.weight": torch.zeros(128, 41)},
            r"contract\.weight \(128, 41\) instead of \(128, 40\)",
        ),
    ],
)
def test_tampered_weights_are_refused(make_folder, tamper, changes, match):
    def change(state):
        tamper(state, changes)
        return state

    with pytest.raises(ValueError, match=match):
        load_model(make_folder(1, change), device="cpu")


def test_a_q_former_must_read_cells(make_folder):
    def blind(state):
        return {key: part for key, part in state.items() if "cross" not in key}

    with pytest.raises(ValueError, match="no layer of it has cross-attention"):
        load_model(make_folder(1, blind), device="cpu")


def test_heads_must_be_a_number(make_folder):
    folder = make_folder()
    (folder / "args.json").write_text(json.dumps({"nheads": "8"}))
    with pytest.raises(ValueError, match="must give nheads as a positive whole number"):
        load_model(folder, device="cpu")


def test_an_encrypted_archive_is_no_checkpoint(make_folder):
    path = make_folder() / "last.ckpt"
    content = bytearray(path.read_bytes())
    # The first bit of the flags of every member, in its own header and in the list at the end.
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := content.find(sign, start + 1)) >= 0:
            content[start + place] |= 1
    path.write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError)):
        load_model(path.parent, device="cpu")


@pytest.mark.parametrize("slot", ["hyper_parameters", "optimizer_states", "callbacks", "loops"])
def test_code_beside_the_weights_never_runs(make_folder, harm, harmless, slot):
    harmless(make_folder(1, None, **{slot: harm}), "cannot be read as tensors alone")


@pytest.mark.parametrize("name", ["last.ckpt", "vocab.json", "args.json", "vocab.txt"])
def test_code_in_a_file_never_runs(make_folder, write_pickle, harm, harmless, name):
    folder = make_folder()
    write_pickle({"blip2qformer.query_tokens": harm}, folder / name)
    harmless(folder)
    harmless(folder / "last.ckpt")


def test_tools(counts_adata, make_folder):
    model = scmm.load_model(make_folder(), device="cpu")
    rows = csr_matrix(counts_adata[:, list(model.genes.symbols)].X)
    scmm.tl.embed(counts_adata, model=model)
    np.testing.assert_allclose(
        counts_adata.obsm["X_scmmgpt"], model.encode_cells(rows).cell, rtol=0, atol=1e-5
    )
    labels = {"T cell": "a large lymphocyte.", "B cell": "a monocyte of blood."}
    scmm.tl.annotate(counts_adata, labels, model=model)
    texts = [f"This cell belongs to {name}: {text}" for name, text in labels.items()]
    scores = model.zero_shot(rows, texts)
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected = weight / weight.sum(axis=1, keepdims=True)
    found = counts_adata.obsm["scmm_cell_type_scores"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    best = [list(labels)[i] for i in scores.argmax(axis=1)]
    assert counts_adata.obs["scmm_cell_type"].tolist() == best


def test_stage_2_has_no_text_side(counts_adata, make_folder):
    model = scmm.load_model(make_folder(2), device="cpu")
    scmm.tl.embed(counts_adata, model=model)
    assert counts_adata.obsm["X_scmmgpt"].shape == (60, 128)
    with pytest.raises(ValueError, match="stage 2 has no text side"):
        scmm.tl.annotate(counts_adata, ["T cell", "B cell"], model=model)


def test_info(make_folder, capsys):
    assert main(["info", str(make_folder(2))]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for part in ("kind scmmgpt", "width 20; its own weights are not read", "no licence"):
        assert part in out
