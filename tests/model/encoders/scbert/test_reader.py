"""Folders that are almost right, and folders that mean harm."""

from __future__ import annotations

import pickle
from pathlib import Path

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


def reshaped(name):
    return lambda state: state.update({name: state[name][:-1].clone()})


@pytest.mark.parametrize(
    ("tuned", "change", "match"),
    [
        (False, lambda s: s.pop("pos_emb.emb.weight"), r"lacks pos_emb\.emb\.weight; only scBERT"),
        (False, lambda s: s.pop("token_emb.weight"), r"lacks token_emb\.weight"),
        (False, lambda s: s.pop("to_out.bias"), r"missing: reconstruct\.bias"),
        (False, lambda s: s.pop(QUERY), r"lacks layers\.1\.query\.weight"),
        (False, lambda s: s.pop(DIRECTIONS.format(0)), r"lacks layers\.0\.directions of a Perf"),
        (False, lambda s: s.pop(DIRECTIONS.format(1)), r"missing: performer.layers.1.directions"),
        (False, lambda s: s.update({"layer_pos_emb.emb": torch.ones(1)}), "unexpected: layer_pos"),
        (False, reshaped("pos_emb.emb.weight"), "has 300 places; 300 genes and one more need 301"),
        (False, reshaped(QUERY), r"different: .*qkv\.weight \(29, 12\) instead of \(30, 12\)"),
        (True, lambda s: s.pop("to_out.fc2.weight"), r"lacks to_out\.fc2\.weight of its classif"),
        (True, lambda s: s.pop("to_out.conv1.bias"), r"missing: classifier\.squeeze\.bias"),
        (True, reshaped("to_out.fc1.bias"), r"different: classifier\.fc1\.bias \(8,\) instead"),
    ],
)
def test_tampered_weights_are_refused(make_folder, tuned, change, match):
    with pytest.raises(ValueError, match=match):
        load_model(make_folder(change, tuned=tuned), device="cpu")


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


class Harm:
    """Unpickled by someone careless, it leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("slot", ["state", "beside", "genes.txt", "panglao_10000.h5ad"])
@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_in_a_file_never_runs(make_folder, tmp_path, slot, how):
    trace = tmp_path / "trace"
    folder = make_folder(names="panglao_10000.h5ad" if "h5ad" in slot else "genes.txt")
    path = folder / "panglao_pretrained.pth"
    content = torch.load(path, weights_only=True)
    match slot:
        case "state":
            content["model_state_dict"]["harm"] = Harm(trace)
        case "beside":
            content["optimizer_state_dict"] = Harm(trace)
        case _:
            content, path = Harm(trace), folder / slot
    if how == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r"cannot be read as tensors|not text|no names of genes"):
        load_model(folder, device="cpu")
    assert not trace.exists()
    # The trap works: this is what must not happen.
    Harm(trace).__reduce__()[0](trace)
    assert trace.exists()
