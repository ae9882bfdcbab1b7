"""Folders that are almost right, and folders that mean harm."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.load import load_model


def test_what_a_folder_is(make_folder, gene_ids):
    model = load_model(make_folder(), device="cpu")
    assert (model.name, model.kind, model.key) == ("LangCell", "langcell", "X_langcell")
    assert list(model.genes.ensembl_ids) == gene_ids
    assert "MIT" in model.licence
    assert not any(part.requires_grad for part in model.network.parameters())


def test_dictionaries_where_the_authors_keep_them(make_folder, gene_ids, tmp_path):
    folder = make_folder()
    code = tmp_path / "geneformer_001" / "geneformer"
    code.mkdir(parents=True)
    for path in folder.glob("*.pkl"):
        shutil.move(path, code / path.name)
    assert list(load_model(folder, device="cpu").genes.ensembl_ids) == gene_ids


def test_every_part_is_in_the_hash(make_folder, heads):
    folder = make_folder()
    first = load_model(folder, device="cpu")
    assert load_model(folder, device="cpu") is first
    state = torch.load(folder / "text_bert" / "pytorch_model.bin", weights_only=True)
    state["encoder.layer.0.output.dense.bias"] += 1
    torch.save(state, folder / "text_bert" / "pytorch_model.bin")
    assert load_model(folder, device="cpu").sha256 != first.sha256


def test_cells_are_embedded_without_words_but_not_compared(make_folder):
    model = load_model(make_folder(words=None), device="cpu")
    rows = csr_matrix((2, 300), dtype="float32")
    assert model.encode_cells(rows).cell.shape == (2, 8)
    with pytest.raises(
        FileNotFoundError, match=r"text_bert has no vocabulary of words.*BiomedBERT"
    ):
        model.zero_shot(rows, ["T cell", "B cell"])


@pytest.mark.parametrize(
    ("absent", "match"),
    [
        ("cell_proj.bin", r"looks like LangCell, but lacks cell_proj\.bin"),
        ("ctm_head.bin", r"lacks ctm_head\.bin"),
        ("cell_bert/config.json", r"lacks cell_bert/config\.json"),
        ("text_bert/pytorch_model.bin", r"lacks the weights of text_bert \(text_bert/model"),
        ("token_dictionary.pkl", r"looks like LangCell, but lacks token_dictionary"),
        ("gene_median_dictionary.pkl", r"lacks gene_median_dictionary"),
    ],
)
def test_a_missing_file_is_named(make_folder, absent, match):
    folder = make_folder()
    (folder / absent).unlink()
    with pytest.raises(FileNotFoundError, match=match):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("file", "changes", "match"),
    [
        (
            "text_bert/pytorch_model.bin",
            {"encoder.layer.1.crossattention.self.key.weight": None},
            r"missing: layers\.1\.reading\.keys\.weight",
        ),
        (
            "text_bert/pytorch_model.bin",
            {"encoder.layer.1.attention.self.key.weight": None},
            r"lacks layers\.1\.key\.weight",
        ),
        (
            "text_bert/pytorch_model.bin",
            {"encoder.layer.0.output.dense.weight": torch.zeros(24, 41)},
            r"contract\.weight \(24, 41\) instead of \(24, 40\)",
        ),
        (
            "cell_bert/pytorch_model.bin",
            {"encoder.layer.1.attention.output.dense.bias": None},
            r"missing: transformer\.layers\.1\.out\.bias",
        ),
        ("cell_proj.bin", {"weight": None}, "has no `weight`"),
        ("text_proj.bin", {"bias": None}, "missing: bias"),
        ("ctm_head.bin", {"weight": torch.zeros(3, 24), "bias": torch.zeros(3)}, "3, 24"),
    ],
)
def test_tampered_weights_are_refused(make_folder, tamper, file, changes, match):
    folder = make_folder()
    state = torch.load(folder / file, weights_only=True)
    tamper(state, changes)
    torch.save(state, folder / file)
    with pytest.raises(ValueError, match=match):
        load_model(folder, device="cpu")


def test_towers_must_fit_together(make_folder):
    folder = make_folder()
    path = folder / "text_bert" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"encoder_width": 17}))
    with pytest.raises(ValueError, match="reads cells of width 17; those of cell_bert have 16"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        (
            "vocab.txt",
            "\n".join(["[SEP]", "[CLS]", *map(str, range(97))]),
            "has 99 words where the network knows",
        ),
        ("tokenizer.json", "{", "is not the vocabulary of a BERT"),
    ],
)
def test_vocabularies_that_do_not_fit_are_refused(make_folder, name, content, match):
    folder = make_folder()
    (folder / "text_bert" / name).write_text(content)
    with pytest.raises(ValueError, match=match):
        load_model(folder, device="cpu")


SLOTS = (
    "cell_bert/config.json",
    "cell_bert/pytorch_model.bin",
    "cell_bert/model.safetensors",
    "text_bert/config.json",
    "text_bert/pytorch_model.bin",
    "text_bert/vocab.txt",
    "text_bert/tokenizer.json",
    "cell_proj.bin",
    "text_proj.bin",
    "ctm_head.bin",
    "token_dictionary.pkl",
    "gene_median_dictionary.pkl",
    "gene_name_id_dict.pkl",
)


@pytest.mark.parametrize("name", SLOTS)
def test_code_in_a_file_never_runs(make_folder, write_pickle, harm, harmless, name):
    folder = make_folder()
    write_pickle({"a": harm}, folder / name)
    harmless(folder)
