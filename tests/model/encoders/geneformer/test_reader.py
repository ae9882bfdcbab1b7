"""Folders that are almost right, and folders that mean harm."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from scmmgpt_tl.model.load import load_model


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("kind", ["pkl", "json"])
def test_what_a_folder_is(make_folder, gene_ids, version, kind):
    model = load_model(make_folder(version, kind=kind), device="cpu")
    assert (model.name, model.kind, model.key) == (
        f"Geneformer V{version}", "geneformer", "X_geneformer"
    )  # fmt: skip
    assert list(model.genes.ensembl_ids) == gene_ids
    assert model.genes.by_ensembl["ENSG00000167286"] == model.genes.by_symbol["CD3D"]
    assert "Apache-2.0" in model.licence
    assert model.tokenizer.max_length == 64 * version
    assert not any(part.requires_grad for part in model.network.parameters())


def test_merged_ids_are_aliases(make_folder, gene_ids):
    genes = load_model(make_folder(2), device="cpu").genes
    assert genes.by_alias["ENSG00000999999"] == genes.by_ensembl[gene_ids[5]]


def test_a_gene_that_counts_as_another_has_no_column(make_folder, gene_ids):
    folder = make_folder(2)
    path = folder / "ensembl_mapping_dict_gc2.pkl"
    path.write_bytes(pickle.dumps({gene_ids[7]: gene_ids[8], gene_ids[9]: "ENSG00000888888"}))
    genes = load_model(folder, device="cpu").genes
    assert len(genes) == 299
    assert genes.by_alias[gene_ids[7]] == genes.by_ensembl[gene_ids[8]]
    assert gene_ids[9] in genes.by_ensembl


def test_genes_without_a_median_are_left_out(make_folder, gene_ids):
    folder = make_folder(1)
    path = folder / "gene_median_dictionary_gc1.pkl"
    medians = pickle.loads(path.read_bytes())
    del medians[gene_ids[0]]
    medians[gene_ids[1]], medians[gene_ids[2]] = float("nan"), 0.0
    path.write_bytes(pickle.dumps(medians))
    model = load_model(folder, device="cpu")
    assert list(model.genes.ensembl_ids) == gene_ids[3:]
    assert model.tokenizer.token_ids.tolist() == list(range(5, 302))


def test_the_authors_repository(make_folder, tmp_path, dictionaries):
    """Weights of both versions side by side, dictionaries with the code."""
    root = tmp_path / "repository"
    code = {1: root / "geneformer" / "gene_dictionaries_30m", 2: root / "geneformer"}
    for version in (1, 2):
        folder = make_folder(version)
        code[version].mkdir(parents=True) if not code[version].exists() else None
        for path in folder.glob("*.pkl"):
            shutil.move(path, code[version] / path.name)
        shutil.move(folder, root / f"Geneformer-V{version}")
    for version in (1, 2):
        model = load_model(root / f"Geneformer-V{version}", device="cpu")
        assert model.name == f"Geneformer V{version}"
        assert model.network.config.n_tokens == len(dictionaries(version)["token_dictionary"])


@pytest.mark.parametrize(
    ("absent", "match"),
    [
        ("config.json", r"looks like Geneformer, but lacks config.json; it holds"),
        ("model.safetensors", r"lacks the weights \(model.safetensors or pytorch_model.bin\)"),
        ("token_dictionary_gc1.pkl", r"lacks token_dictionary\*.pkl or .json"),
        (
            "gene_median_dictionary_gc1.pkl",
            r"lacks gene_median_dictionary\*.pkl or .json, which goes",
        ),
    ],
)
def test_a_missing_file_is_named(make_folder, absent, match):
    folder = make_folder(1)
    (folder / absent).unlink()
    with pytest.raises(FileNotFoundError, match=match):
        load_model(folder, device="cpu")


def test_a_dictionary_of_another_version_is_refused(make_folder):
    folder = make_folder(1)
    path = folder / "token_dictionary_gc1.pkl"
    path.write_bytes(pickle.dumps(pickle.loads(path.read_bytes()) | {"ENSG9": 302}))
    with pytest.raises(ValueError, match=r"vocabulary of 302 tokens; .*_gc1.pkl \(303\)"):
        load_model(folder, device="cpu")


LAYER = "bert.encoder.layer.1."


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({f"{LAYER}attention.self.key.weight": None}, r"lacks transformer\.layers\.1\.key\.weight"),
        (
            {f"{LAYER}attention.output.dense.weight": None},
            r"missing: transformer\.layers\.1\.out\.weight",
        ),
        ({f"{LAYER}output.LayerNorm.bias": None}, r"missing: transformer\.layers\.1\.norm2\.bias"),
        (
            {f"{LAYER}intermediate.dense.weight": torch.zeros(25, 16)},
            r"expand\.weight \(25, 16\) instead of \(24, 16\)",
        ),
    ],
)
def test_tampered_weights_are_refused(make_folder, tamper, changes, match):
    folder = make_folder(1)
    state = load_file(folder / "model.safetensors")
    tamper(state, changes)
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ValueError, match=match):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"model_type": "roberta"}, "is of a 'roberta'"),
        ({"hidden_size": None}, "must give hidden_size as positive whole numbers"),
        ({"hidden_act": "silu"}, "hidden_act 'silu'"),
        ({"hidden_act": ["relu"]}, r"hidden_act \['relu'\]"),
        ({"layer_norm_eps": []}, "is not what its files seem to be"),
        ({"num_hidden_layers": 10**9}, "too few for the 1,000,000,000 layers"),
        ({"max_position_embeddings": 10**12}, "too few for the 3 layers with about"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
    ],
)
def test_configs_that_do_not_fit_are_refused(make_folder, change, match):
    folder = make_folder(1)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=match):
        load_model(folder, device="cpu")


def test_a_bert_of_words_is_no_geneformer(bert, tmp_path):
    bert(1).save_pretrained(tmp_path / "words")
    (tmp_path / "words" / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="format_version"):
        load_model(tmp_path / "words", device="cpu")


SLOTS = (
    "config.json",
    "pytorch_model.bin",
    "model.safetensors",
    "token_dictionary_gc2.pkl",
    "gene_median_dictionary_gc2.pkl",
    "ensembl_mapping_dict_gc2.pkl",
    "gene_name_id_dict_gc2.pkl",
)


@pytest.mark.parametrize("name", SLOTS)
def test_code_in_a_file_never_runs(make_folder, write_pickle, harm, harmless, name):
    folder = make_folder(2, form="bin")
    write_pickle({"a": harm}, folder / name)
    harmless(folder)
