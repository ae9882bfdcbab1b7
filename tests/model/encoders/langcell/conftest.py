"""LangCell as published, at a tiny size with random weights."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from scmmgpt_tl.model.genes import GeneTable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import BertModel

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cell", "type", "t", "b", "blood", "a", ":"]
WORDS += [".", "of", "the", "##s", "lymphocyte", "monocyte", "with", "large", "nucleus"]
CELLS, TEXTS, SHARED = 16, 24, 8


@pytest.fixture(scope="session")
def gene_ids(request: pytest.FixtureRequest) -> list[str]:
    """Ensembl ids of 300 genes."""
    table = GeneTable.read(request.config.rootpath / "tests" / "data" / "genes.tsv")
    return sorted(table.ensembl_ids)


@pytest.fixture(scope="session")
def pieces() -> list[str]:
    """The vocabulary of words."""
    return WORDS


@pytest.fixture(scope="session")
def cell_bert() -> BertModel:
    """The cell tower, by transformers."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=303,
        max_position_embeddings=64,
        hidden_size=CELLS,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=20,
        hidden_act="relu",
        initializer_range=0.5,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return BertModel(config, add_pooling_layer=False).eval()


@pytest.fixture(scope="session")
def text_state() -> dict[str, torch.Tensor]:
    """Weights of the text tower under their published names."""
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS) + 2, TEXTS),
        "embeddings.position_embeddings.weight": (12, TEXTS),
    }
    linear = {"pooler.dense": (TEXTS, TEXTS)}
    norms = ["embeddings.LayerNorm"]
    for layer in ("encoder.layer.0", "encoder.layer.1"):
        for kind, width in (("attention", TEXTS), ("crossattention", CELLS)):
            linear[f"{layer}.{kind}.self.query"] = (TEXTS, TEXTS)
            linear[f"{layer}.{kind}.self.key"] = (TEXTS, width)
            linear[f"{layer}.{kind}.self.value"] = (TEXTS, width)
            linear[f"{layer}.{kind}.output.dense"] = (TEXTS, TEXTS)
            norms.append(f"{layer}.{kind}.output.LayerNorm")
        linear[f"{layer}.intermediate.dense"] = (40, TEXTS)
        linear[f"{layer}.output.dense"] = (TEXTS, 40)
        norms.append(f"{layer}.output.LayerNorm")
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in norms:
        shapes |= {f"{name}.weight": (TEXTS,), f"{name}.bias": (TEXTS,)}
    generator = torch.Generator().manual_seed(2)
    state = {k: torch.randn(v, generator=generator) * 0.4 for k, v in shapes.items()}
    return state | {"embeddings.position_ids": torch.arange(12)[None]}


@pytest.fixture(scope="session")
def heads() -> dict[str, dict[str, torch.Tensor]]:
    """The three linear maps, by file."""
    generator = torch.Generator().manual_seed(3)
    sizes = {"cell_proj": (SHARED, CELLS), "text_proj": (SHARED, TEXTS), "ctm_head": (2, TEXTS)}
    return {
        f"{name}.bin": {
            "weight": torch.randn(shape, generator=generator),
            "bias": torch.randn(shape[0], generator=generator),
        }
        for name, shape in sizes.items()
    }


@pytest.fixture
def make_folder(gene_ids, cell_bert, text_state, heads, tmp_path: Path) -> Callable[..., Path]:
    """Write a folder as published, with the vocabularies that go with it."""

    def make(*, form: str = "bin", words: str | None = "vocab.txt") -> Path:
        folder = tmp_path / "langcell"
        cell_bert.save_pretrained(folder / "cell_bert")
        if form == "bin":
            (folder / "cell_bert" / "model.safetensors").unlink()
            torch.save(cell_bert.state_dict(), folder / "cell_bert" / "pytorch_model.bin")
        texts = folder / "text_bert"
        texts.mkdir()
        config = {"model_type": "bert", "vocab_size": len(WORDS) + 2, "hidden_size": TEXTS}
        config |= {"num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}
        config |= {"max_position_embeddings": 12, "hidden_act": "gelu", "encoder_width": CELLS}
        config |= {"add_cross_attention": True, "layer_norm_eps": 1e-12}
        (texts / "config.json").write_text(json.dumps(config))
        torch.save(text_state, texts / "pytorch_model.bin")
        for name, state in heads.items():
            torch.save(state, folder / name)
        if words:
            (texts / words).write_text("\n".join(WORDS))
        tokens = {name: i for i, name in enumerate(["<pad>", "<mask>", *gene_ids])}
        rng = np.random.default_rng(4)
        medians = {gene: float(rng.gamma(2.0)) for gene in gene_ids}
        (folder / "token_dictionary.pkl").write_bytes(pickle.dumps(tokens))
        (folder / "gene_median_dictionary.pkl").write_bytes(pickle.dumps(medians))
        return folder

    return make
