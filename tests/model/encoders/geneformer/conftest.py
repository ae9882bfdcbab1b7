"""Published Geneformer folders at tiny sizes, saved by transformers itself."""

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

    from transformers import BertForMaskedLM

SPECIAL = {1: ("<pad>", "<mask>"), 2: ("<pad>", "<mask>", "<cls>", "<eos>")}


@pytest.fixture(scope="session")
def gene_ids(request: pytest.FixtureRequest) -> list[str]:
    """Ensembl ids of 300 genes."""
    table = GeneTable.read(request.config.rootpath / "tests" / "data" / "genes.tsv")
    return sorted(table.ensembl_ids)


@pytest.fixture
def dictionaries(gene_ids: list[str]) -> Callable[[int], dict[str, dict[str, object]]]:
    """Dictionaries of a version, by the beginning of their files' names."""

    def make(version: int) -> dict[str, dict[str, object]]:
        rng = np.random.default_rng(version)
        names = [*SPECIAL[version], *gene_ids]
        found: dict[str, dict[str, object]] = {
            "token_dictionary": {name: i for i, name in enumerate(names)},
            "gene_median_dictionary": {gene: float(rng.gamma(2.0)) for gene in gene_ids},
        }
        if version == 2:
            found["ensembl_mapping_dict"] = {gene: gene for gene in gene_ids} | {
                "ENSG00000999999": gene_ids[5]
            }
        return found

    return make


@pytest.fixture
def bert() -> Callable[..., BertForMaskedLM]:
    """Networks of transformers with random weights, by version."""
    from transformers import BertConfig, BertForMaskedLM

    def make(version: int, **sizes: int) -> BertForMaskedLM:
        config = BertConfig(
            **{
                "vocab_size": 300 + len(SPECIAL[version]),
                "max_position_embeddings": 64 * version,
                "hidden_size": 16,
                "num_hidden_layers": 3,
                "num_attention_heads": 2,
                "intermediate_size": 24,
                "hidden_act": "relu",
                "hidden_dropout_prob": 0.02,
                "attention_probs_dropout_prob": 0.02,
                "initializer_range": 0.5,
                "pad_token_id": 0,
            }
            | sizes
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(version)
            return BertForMaskedLM(config).eval()

    return make


@pytest.fixture
def make_folder(bert, dictionaries, tmp_path: Path) -> Callable[..., Path]:
    """Write a folder as published."""

    def make(version: int = 1, *, form: str = "safetensors", kind: str = "pkl") -> Path:
        folder = tmp_path / f"geneformer-v{version}"
        network = bert(version)
        network.save_pretrained(folder)
        if form == "bin":
            (folder / "model.safetensors").unlink()
            torch.save(network.state_dict(), folder / "pytorch_model.bin")
        for name, content in dictionaries(version).items():
            path = folder / f"{name}_gc{version}.{kind}"
            if kind == "json":
                path.write_text(json.dumps(content))
            else:
                path.write_bytes(pickle.dumps(content))
        return folder

    return make
