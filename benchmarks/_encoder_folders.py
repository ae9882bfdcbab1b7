"""Folders of published encoders at published size, with random weights, and cells to embed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix, save_npz

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from transformers import BertConfig

    State = Mapping[str, torch.Tensor]

# Published names, so that the original reads the same file.
_LAYER = (
    (r"(layers\.\d+)\.qkv\.", r"\1.self_attn.in_proj_"),
    (r"(layers\.\d+)\.out\.", r"\1.self_attn.out_proj."),
    (r"(layers\.\d+)\.expand\.", r"\1.linear1."),
    (r"(layers\.\d+)\.contract\.", r"\1.linear2."),
)
# The value encoder and the decoders have the published names already.
_SCGPT = (
    *_LAYER,
    (r"^gene_embedding\.", "encoder.embedding."),
    (r"^gene_norm\.", "encoder.enc_norm."),
    (r"^transformer\.", "transformer_encoder."),
    (r"^masked_decoder\.", "decoder."),
)
_PERFORMER = (
    (r"^(?:performer|decoder)\.layers\.", "performer.net.layers."),
    (r"(layers\.\d+)\.norm1\.", r"\1.0.norm."),
    (r"(layers\.\d+)\.(q|k|v)\.", r"\1.0.fn.to_\2."),
    (r"(layers\.\d+)\.out\.", r"\1.0.fn.to_out."),
    (r"(layers\.\d+)\.directions$", r"\1.0.fn.fast_attention.projection_matrix"),
    (r"(layers\.\d+)\.norm2\.", r"\1.1.norm."),
    (r"(layers\.\d+)\.expand\.", r"\1.1.fn.fn.w1."),
    (r"(layers\.\d+)\.contract\.", r"\1.1.fn.fn.w2."),
)
_SCBERT = (
    *_PERFORMER,
    (r"^bins\.", "token_emb."),
    (r"^genes\.", "pos_emb.emb."),
    (r"^reconstruct\.", "to_out."),
)
_SCFOUNDATION_ENCODER = (
    *_LAYER,
    (r"^values\.spread\.", "token_emb.mlp."),
    (r"^values\.mix\.", "token_emb.mlp2."),
    (r"^values\.bins\.", "token_emb.emb."),
    (r"^positions\.", "pos_emb."),
    (r"^transformer\.layers\.", "encoder.transformer_encoder."),
    (r"^norm\.", "encoder.norm."),
)
_SCFOUNDATION_DECODER = (
    *_PERFORMER,
    (r"^performer\.", "decoder.performer."),
    (r"^narrow\.", "decoder_embed."),
    (r"^decoder_norm\.", "decoder.norm."),
    (r"^to_value\.", "to_final."),
)
# Of the Performers: width of a head, and its random directions.
_HEAD_WIDTH, _DIRECTIONS = 64, 266


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
    torch.save(_published(ScGPTNetwork(config).state_dict(), _SCGPT), folder / "best_model.pt")
    (folder / "args.json").write_text(json.dumps(args), encoding="utf-8")
    vocabulary = {name: i for i, name in enumerate(names)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")


def write_geneformer(folder: Path, *, n_genes: int, n_layers: int, width: int) -> None:
    """Write a folder as Geneformer's first version is published."""
    from transformers import BertForMaskedLM

    torch.manual_seed(0)
    config = _ranked(n_genes + 2, n_layers=n_layers, width=width)
    BertForMaskedLM(config).save_pretrained(folder)
    _write_dictionaries(folder, n_genes)


def write_langcell(folder: Path, *, n_genes: int, n_layers: int, width: int) -> None:
    """Write a folder as LangCell is published; its texts are read by a BERT half as wide again."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    cells = _ranked(n_genes + 3, n_layers=n_layers, width=width)
    BertModel(cells, add_pooling_layer=False).save_pretrained(folder / "cell_bert")
    config = BertConfig(
        vocab_size=30_524,
        hidden_size=3 * width // 2,
        num_hidden_layers=n_layers,
        num_attention_heads=12,
        intermediate_size=6 * width,
        is_decoder=True,
        add_cross_attention=True,
    )
    texts = BertModel(config, add_pooling_layer=False).state_dict()
    # Theirs does not tell first from second sentences.
    del texts["embeddings.token_type_embeddings.weight"]
    for key in texts:
        if re.search(r"crossattention\.self\.(key|value)\.weight", key):
            texts[key] = texts[key][:, :1].repeat(1, width)
    (folder / "text_bert").mkdir()
    torch.save(texts, folder / "text_bert" / "pytorch_model.bin")
    told = json.dumps(config.to_dict() | {"encoder_width": width})
    (folder / "text_bert" / "config.json").write_text(told, encoding="utf-8")
    words = config.hidden_size
    shapes = {"cell_proj": (width, 256), "text_proj": (words, 256), "ctm_head": (words, 2)}
    for name, shape in shapes.items():
        torch.save(torch.nn.Linear(*shape).state_dict(), folder / f"{name}.bin")
    _write_dictionaries(folder, n_genes)


def write_scfoundation(folder: Path, *, n_genes: int, n_layers: int, width: int) -> None:
    """Write a folder as scFoundation is published, with its three parts."""
    from scmmgpt_tl.model.encoders.scfoundation.network import (
        ScFoundationConfig,
        ScFoundationNetwork,
        ScFoundationOptions,
    )
    from scmmgpt_tl.model.performer import PerformerSizes

    folder.mkdir(parents=True)
    heads, bins, inner = width // 64 or 1, 100, 512
    config = ScFoundationConfig(n_genes, width, n_layers, heads, bins, alpha=1.0)
    decoder = PerformerSizes(inner, 6, 8, _HEAD_WIDTH, _DIRECTIONS, 4 * inner, bias=True)
    gene = ScFoundationConfig(n_genes, width, n_layers, heads, bins, alpha=1.0, decoder=decoder)
    sizes = {"cell": config, "rde": config, "gene": gene}
    torch.manual_seed(0)
    parts = ScFoundationNetwork(sizes, ScFoundationOptions()).parts
    encoder = {"hidden_dim": width, "depth": n_layers, "heads": heads, "module_type": "transformer"}
    told = {"hidden_dim": inner, "depth": 6, "heads": 8, "dim_head": _HEAD_WIDTH}
    model = {"encoder": encoder, "decoder": told | {"module_type": "performer"}}
    model |= {"bin_num": bins, "bin_alpha": 1.0}
    data = {"rnaseq": {"seq_len": n_genes + 2}}
    found = {"model": "mae_autobin", "model_config": {"mae_autobin": model}, "dataset_config": data}
    content = {}
    for name, part in parts.items():
        # The autoencoder is an encoder like the other two, and more.
        whole, inside = part.state_dict(), getattr(part, "encoder", part).state_dict()
        more = {k: v for k, v in whole.items() if name == "gene" and not k.startswith("encoder.")}
        tensors = _published(inside, _SCFOUNDATION_ENCODER)
        tensors |= _published(_apart(more), _SCFOUNDATION_DECODER)
        state_dict = {f"model.{key}": tensor for key, tensor in tensors.items()}
        content[name] = {"config": found, "state_dict": state_dict}
    torch.save(content, folder / "models.ckpt")
    rows = ["gene_name\tindex", *(f"GENE{i}\t{i}" for i in range(n_genes))]
    _write_lines(folder / "OS_scRNA_gene_index.19264.tsv", rows)


def write_scbert(folder: Path, *, n_genes: int, n_layers: int, width: int) -> None:
    """Write a folder as scBERT's pre-trained model is published."""
    from scmmgpt_tl.model.encoders.scbert.network import ScBERTConfig, ScBERTNetwork
    from scmmgpt_tl.model.performer import PerformerSizes

    folder.mkdir(parents=True)
    sizes = PerformerSizes(width, n_layers, 10, _HEAD_WIDTH, _DIRECTIONS, 4 * width, bias=False)
    torch.manual_seed(0)
    network = ScBERTNetwork(ScBERTConfig(n_bins=7, n_places=n_genes + 1, performer=sizes))
    state = _published(_apart(network.state_dict()), _SCBERT)
    torch.save({"model_state_dict": state}, folder / "panglao_pretrained.pth")
    _write_lines(folder / "genes.txt", (f"GENE{i}" for i in range(n_genes)))


def _ranked(n_tokens: int, *, n_layers: int, width: int) -> BertConfig:
    """Sizes of a BERT that reads genes in the order of their ranks."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=n_tokens,
        hidden_size=width,
        num_hidden_layers=n_layers,
        num_attention_heads=8,
        intermediate_size=2 * width,
        max_position_embeddings=2048,
        hidden_act="relu",
        pad_token_id=0,
    )


def _write_dictionaries(folder: Path, n_genes: int) -> None:
    ids = [f"ENSG{i:011d}" for i in range(n_genes)]
    tokens = {name: i for i, name in enumerate(["<pad>", "<mask>", *ids])}
    medians = dict(zip(ids, np.random.default_rng(0).gamma(2.0, size=n_genes), strict=True))
    for name, content in (("token_dictionary", tokens), ("gene_median_dictionary", medians)):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def _apart(state: State) -> dict[str, torch.Tensor]:
    """Take queries, keys and values apart, which our layers compute in one product."""
    found = {}
    for key, tensor in state.items():
        if ".qkv." in key:
            parts = zip("qkv", tensor.chunk(3), strict=True)
            found |= {key.replace(".qkv.", f".{name}."): part.clone() for name, part in parts}
        else:
            found[key] = tensor
    return found


def _published(state: State, rules: Sequence[tuple[str, str]]) -> dict[str, torch.Tensor]:
    found = {}
    for key, tensor in state.items():
        new = key
        for ours, theirs in rules:
            new = re.sub(ours, theirs, new)
        found[new] = tensor
    return found


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
