"""Folders of published encoders at published size, with random weights, and cells to embed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix, save_npz

if TYPE_CHECKING:
    from pathlib import Path

# Published names, so that the original reads the same file.
_PUBLISHED = (
    ("gene_embedding.", "encoder.embedding."),
    ("gene_norm.", "encoder.enc_norm."),
    ("transformer.", "transformer_encoder."),
    (".qkv.", ".self_attn.in_proj_"),
    (".out.", ".self_attn.out_proj."),
    (".expand.", ".linear1."),
    (".contract.", ".linear2."),
    ("masked_decoder.", "decoder."),
)


def write_cells(path: Path, *, n_cells: int, n_genes: int, expressed: int, seed: int) -> None:
    """Write counts of cells that express about as many genes as asked.

    Parameters
    ----------
    path
        A `.npz` file.
    n_cells, n_genes
        Shape.
    expressed
        Median of expressed genes; between cells they vary as in droplets, by half of that.
    seed
        Of the counts.
    """
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.normal(np.log(expressed), 0.3, n_cells)).astype(int).clip(50, n_genes)
    genes = [np.sort(rng.choice(n_genes, size, replace=False)) for size in sizes]
    counts = [1 + rng.poisson(rng.gamma(0.5, 4.0, size)) for size in sizes]
    parts = np.concatenate(counts).astype(np.float32), np.concatenate(genes)
    save_npz(path, csr_matrix((*parts, np.r_[0, sizes.cumsum()]), shape=(n_cells, n_genes)))


def write_scgpt(folder: Path, *, n_genes: int, n_layers: int, width: int) -> None:
    """Write a folder as scGPT's whole-human model is published."""
    from scmmgpt_tl.model.encoders.scgpt.network import ScGPTConfig, ScGPTNetwork

    folder.mkdir(parents=True)
    names = [*(f"GENE{i}" for i in range(n_genes)), "<pad>", "<cls>", "<eoc>"]
    args = {"embsize": width, "d_hid": width, "nlayers": n_layers, "nheads": 8}
    args |= {"pad_token": "<pad>", "pad_value": -2, "max_seq_len": 1200, "n_layers_cls": 3}
    config = ScGPTConfig(
        n_tokens=len(names),
        width=width,
        n_layers=n_layers,
        n_heads=8,
        inner=width,
        dropout=0.2,
        style="continuous",
        n_value_tokens=0,
        pad=n_genes,
        pad_value=-2,
    )
    torch.manual_seed(0)
    state = {_published(key): part for key, part in ScGPTNetwork(config).state_dict().items()}
    torch.save(state, folder / "best_model.pt")
    (folder / "args.json").write_text(json.dumps(args), encoding="utf-8")
    vocabulary = {name: i for i, name in enumerate(names)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")


def write_geneformer(folder: Path, *, n_genes: int, n_layers: int, width: int) -> None:
    """Write a folder as Geneformer's first version is published."""
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=n_genes + 2,
        hidden_size=width,
        num_hidden_layers=n_layers,
        num_attention_heads=8,
        intermediate_size=2 * width,
        max_position_embeddings=2048,
        hidden_act="relu",
        pad_token_id=0,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    ids = [f"ENSG{i:011d}" for i in range(n_genes)]
    tokens = {name: i for i, name in enumerate(["<pad>", "<mask>", *ids])}
    medians = dict(zip(ids, np.random.default_rng(0).gamma(2.0, size=n_genes), strict=True))
    for name, content in (("token_dictionary", tokens), ("gene_median_dictionary", medians)):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def _published(key: str) -> str:
    for ours, theirs in _PUBLISHED:
        # The value encoder and the decoders have the published names already.
        if ours[0] != "." or ".layers." in key:
            key = key.replace(ours, theirs)
    return key
