"""Folders that are almost right, and folders that mean harm."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

import scmmgpt_tl as scmm
from scmmgpt_tl.cli import main
from scmmgpt_tl.model.load import load_model

QUERY = "performer.net.layers.1.0.fn.to_q.weight"
DIRECTIONS = "performer.net.layers.{}.0.fn.fast_attention.projection_matrix"


@pytest.mark.parametrize("names", ["genes.txt", "panglao_10000.h5ad"])
def test_what_a_folder_is(make_folder, symbols, names):
    model = load_model(make_folder(names=names), device="cpu")
    assert (model.name, model.kind, model.key) == ("scBERT", "scbert", "X_scbert")
    assert list(model.genes.symbols) == symbols
    assert model.genes.ensembl_ids[model.genes.by_symbol["CD3D"]] == "ENSG00000167286"
    assert "GPL-3.0" in model.licence
    assert model.tokenizer.highest == 5
    assert not model.network.training
    assert not any(part.requires_grad for part in model.network.parameters())


def test_info(make_folder, capsys):
    assert main(["info", str(make_folder(tuned=True))]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for part in (
        "scBERT, a published cell encoder (kind scbert)",
        "GPL-3.0",
        "Performer of 2 layers, width 12, 2 heads, 6 random directions",
        "classes of cells (4), or Unassigned",
        "obsm['X_scbert']",
    ):
        assert part in told


def test_embed(counts_adata, make_folder):
    folder = make_folder()
    scmm.tl.embed(counts_adata, model=folder)
    model = scmm.load_model(folder)
    rows = counts_adata[:, list(model.genes.symbols)].X
    found = counts_adata.obsm["X_scbert"]
    np.testing.assert_allclose(found, model.encode_cells(rows).cell, rtol=0, atol=1e-5)
    other = counts_adata[::-1].copy()
    scmm.tl.embed(other, model=model, batch_size=7)
    np.testing.assert_allclose(
        other[counts_adata.obs_names].obsm["X_scbert"], found, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(
    ("absent", "match"),
    [
        ("genes.txt", r"looks like scBERT, but lacks the names of its genes \(genes\.txt or"),
        ("panglao_pretrained.pth", r"lacks the weights \(panglao_pretrained\.pth or finetuned"),
    ],
)
def test_a_missing_file_is_named(make_folder, absent, match):
    folder = make_folder()
    # What speaks for scBERT when the checkpoint is away.
    (folder / "gene2vec_16906.npy").touch()
    (folder / absent).unlink()
    with pytest.raises(FileNotFoundError, match=match):
        load_model(folder, device="cpu")


def test_two_checkpoints(make_folder):
    folder = make_folder()
    (folder / "finetuned.pth").write_bytes((folder / "panglao_pretrained.pth").read_bytes())
    with pytest.raises(ValueError, match=r"holds panglao_pretrained\.pth and finetuned\.pth"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("tuned", "changes", "match"),
    [
        (False, {"pos_emb.emb.weight": None}, r"lacks pos_emb\.emb\.weight; only scBERT"),
        (False, {"token_emb.weight": None}, r"lacks token_emb\.weight"),
        (False, {"to_out.bias": None}, r"missing: reconstruct\.bias"),
        (False, {QUERY: None}, r"lacks layers\.1\.query\.weight"),
        (False, {DIRECTIONS.format(0): None}, r"lacks layers\.0\.directions of a Perf"),
        (False, {DIRECTIONS.format(1): None}, r"missing: performer.layers.1.directions"),
        (False, {"layer_pos_emb.emb": torch.ones(1)}, "unexpected: layer_pos"),
        (
            False,
            {"pos_emb.emb.weight": "shorter"},
            "has 300 places; 300 genes and one more need 301",
        ),
        (False, {QUERY: "shorter"}, r"different: .*qkv\.weight \(29, 12\) instead of \(30, 12\)"),
        (True, {"to_out.fc2.weight": None}, r"lacks to_out\.fc2\.weight of its classif"),
        (True, {"to_out.conv1.bias": None}, r"missing: classifier\.squeeze\.bias"),
        (True, {"to_out.fc1.bias": "shorter"}, r"different: classifier\.fc1\.bias \(8,\) instead"),
    ],
)
def test_tampered_weights_are_refused(make_folder, tamper, tuned, changes, match):
    with pytest.raises(ValueError, match=match):
        load_model(make_folder(lambda state: tamper(state, changes), tuned=tuned), device="cpu")


@pytest.mark.parametrize("text", [b"", b"A\n\nB\n", b"\xff\xfe\n"])
def test_lists_of_genes_that_are_none(make_folder, text):
    folder = make_folder()
    (folder / "genes.txt").write_bytes(text)
    with pytest.raises(ValueError, match="must hold a symbol for each gene|is not text"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize("how", ["other", "table", "bytes"])
def test_files_of_cells_without_names(make_folder, how):
    folder = make_folder(names="panglao_10000.h5ad")
    path = folder / "panglao_10000.h5ad"
    if how == "bytes":
        path.write_bytes(b"no HDF5")
    else:
        with h5py.File(path, "w") as file:
            # Old files hold a table instead of a group.
            table = np.zeros(300, dtype=[("index", "S8")]) if how == "table" else None
            if table is None:
                file.create_group("obs")
            else:
                file["var"] = table
    with pytest.raises(ValueError, match=r"no names of genes .* Write them into genes\.txt"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize("slot", ["state", "beside", "genes.txt", "panglao_10000.h5ad"])
def test_code_in_a_file_never_runs(make_folder, write_pickle, harm, harmless, slot):
    folder = make_folder(names="panglao_10000.h5ad" if "h5ad" in slot else "genes.txt")
    path = folder / "panglao_pretrained.pth"
    content = torch.load(path, weights_only=True)
    match slot:
        case "state":
            content["model_state_dict"]["harm"] = harm
        case "beside":
            content["optimizer_state_dict"] = harm
        case _:
            content, path = harm, folder / slot
    write_pickle(content, path)
    harmless(folder, r"cannot be read as tensors|not text|no names of genes")
