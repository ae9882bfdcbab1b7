"""Folders that are almost right, and folders that mean harm."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
import torch

import scmmgpt_tl as scmm
from scmmgpt_tl.cli import main
from scmmgpt_tl.model.load import load_model

GENES = "OS_scRNA_gene_index.19264.tsv"
QKV = "model.encoder.transformer_encoder.1.self_attn.in_proj_weight"
DIRECTIONS = "model.decoder.performer.net.layers.0.0.fn.fast_attention.projection_matrix"
quietly = pytest.mark.filterwarnings("ignore:scFoundation. these weights:UserWarning")


def test_the_licence_is_said_once(make_folder):
    folder = make_folder()
    with pytest.warns(UserWarning, match="scFoundation: these weights .* non-commercial") as said:
        model = load_model(folder, device="cpu")
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_model(folder, device="cpu") is model


@quietly
def test_what_a_folder_is(make_folder, symbols):
    model = load_model(make_folder(), device="cpu")
    assert (model.name, model.kind, model.key) == (
        "scFoundation", "scfoundation", "X_scfoundation"
    )  # fmt: skip
    assert list(model.genes.symbols) == symbols
    assert model.genes.ensembl_ids[model.genes.by_symbol["CD3D"]] == "ENSG00000167286"
    assert "non-commercial" in model.licence
    assert model.facts["parts"] == "cell, rde, gene"
    assert not model.network.training
    assert not any(part.requires_grad for part in model.network.parameters())


@quietly
def test_info(make_folder, capsys):
    assert main(["info", str(make_folder())]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for part in (
        "scFoundation, a published cell encoder (kind scfoundation)",
        "non-commercial research only",
        "cell, rde, gene",
        "300 genes",
        "obsm['X_scfoundation']",
    ):
        assert part in told


@quietly
def test_embed(counts_adata, make_folder):
    folder = make_folder()
    scmm.tl.embed(counts_adata, model=folder)
    model = scmm.load_model(folder)
    rows = counts_adata[:, list(model.genes.symbols)].X
    found = counts_adata.obsm["X_scfoundation"]
    np.testing.assert_allclose(found, model.encode_cells(rows).cell, rtol=0, atol=1e-5)
    other = counts_adata[::-1].copy()
    scmm.tl.embed(other, model=model, batch_size=7)
    np.testing.assert_allclose(
        other[counts_adata.obs_names].obsm["X_scfoundation"], found, rtol=0, atol=1e-5
    )


@quietly
@pytest.mark.parametrize("where", ["models", "whole"])
def test_the_authors_repository(make_folder, tmp_path, where):
    """Weights in a folder of their own, the genes beside it."""
    folder, whole = make_folder(), tmp_path / "model"
    (whole / "models").mkdir(parents=True)
    shutil.move(folder / "models.ckpt", whole / "models" / "models.ckpt")
    shutil.move(folder / GENES, whole / GENES)
    model = load_model(whole / "models" if where == "models" else whole, device="cpu")
    assert model.kind == "scfoundation"


@pytest.mark.parametrize(
    ("absent", "match"),
    [
        ("models.ckpt", r"looks like scFoundation, but lacks the weights \(models\.ckpt or"),
        (GENES, r"lacks the order of genes \(OS_scRNA.*; it holds models\.ckpt"),
    ],
)
def test_a_missing_file_is_named(make_folder, absent, match):
    folder = make_folder()
    (folder / absent).unlink()
    with pytest.raises(FileNotFoundError, match=match):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("part", "changes", "match"),
    [
        ("cell", {QKV: None}, r"Part 'cell' of .*missing: transformer\.layers\.1\.qkv\.weight"),
        ("rde", {"model.token_emb.mlp2.bias": None}, r"Part 'rde' .*missing: values\.mix\.bias"),
        ("gene", {"model.to_final.bias": None}, r"Part 'gene' .*missing: to_value\.bias"),
        ("gene", {DIRECTIONS: None}, "lacks .*projection_matrix, the random directions"),
        (
            "gene",
            {"model.decoder.performer.net.layers.1.0.fn.to_k.bias": None},
            r"has decoder\.layers\.1\.query\.bias, but lacks decoder\.layers\.1\.key\.bias",
        ),
        ("cell", {QKV: "shorter"}, r"different: .*qkv\.weight \(47, 16\) instead of \(48, 16\)"),
        ("gene", {DIRECTIONS: "shorter"}, r"different: .*layers\.1\.directions \(5, 4\) instead"),
        ("cell", {"model.pos_emb.weight": "shorter"}, r"positions\.weight \(302, 16\) instead"),
        ("cell", {"model.new": torch.ones(1)}, "unexpected: new"),
    ],
)
def test_tampered_weights_are_refused(make_folder, tamper, part, changes, match):
    def change(content):
        tamper(content[part]["state_dict"], changes)

    with pytest.raises(ValueError, match=match):
        load_model(make_folder(change), device="cpu")


def configured(name, value, *, side=None):
    def change(content):
        for part in content.values():
            found = part["config"]["model_config"]["mae_autobin"]
            (found if side is None else found[side])[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: c["cell"].update(state_dict={"model.a": 3}), "no tensors: 'model.a'"),
        (lambda c: c["cell"].pop("state_dict"), "holds no state dict, but NoneType"),
        (lambda c: c["cell"].pop("config"), "must hold 'config' as a dictionary, found NoneType"),
        (lambda c: [c.pop(name) for name in ("cell", "rde")], "neither a part 'cell' nor 'rde'"),
        (lambda c: c["cell"]["config"].update(model="flash_all"), "a model 'flash_all'"),
        (configured("bin_num", 0), "must give bin_num as a positive whole number, found 0"),
        (configured("bin_alpha", None), "must give bin_alpha as a number"),
        (configured("depth", "12", side="encoder"), "must give depth as a positive whole number"),
        (configured("module_type", "performer", side="encoder"), "only a transformer and a perf"),
        (configured("norm_first", True, side="encoder"), "norm_first"),
    ],
)
def test_tampered_checkpoints_are_refused(make_folder, change, match):
    with pytest.raises(ValueError, match=match):
        load_model(make_folder(change), device="cpu")


def test_genes_that_are_not_as_many(make_folder):
    folder = make_folder()
    lines = (folder / GENES).read_text().splitlines()
    (folder / GENES).write_text("\n".join(lines[:-1]))
    with pytest.raises(ValueError, match="has 302 places; 299 genes and T and S need 301"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    "text", [b"", b"symbol\nA\n", b"gene_name\tindex\n\t0\n", b"gene_name\n\xff\xfe\n"]
)
def test_genes_that_are_no_table(make_folder, text):
    folder = make_folder()
    (folder / GENES).write_bytes(text)
    with pytest.raises(ValueError, match=r"must have a column 'gene_name'|is not a table"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize("slot", ["file", "state", "config", GENES])
def test_code_in_a_file_never_runs(make_folder, write_pickle, harm, harmless, slot):
    folder = make_folder()
    content = torch.load(folder / "models.ckpt", weights_only=True)
    match slot:
        case "file":
            content = harm
        case "state":
            content["cell"]["state_dict"]["model.harm"] = harm
        case "config":
            content["rde"]["config"]["harm"] = harm
        case _:
            content = harm
    write_pickle(content, folder / (slot if slot == GENES else "models.ckpt"))
    harmless(folder, r"cannot be read as tensors alone|gene_name|is not a tab")
