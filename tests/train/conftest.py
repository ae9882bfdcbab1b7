"""A whole run at tiny sizes: files of every kind that training reads."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import yaml
from anndata import AnnData
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.genes import GeneTable

if TYPE_CHECKING:
    from scmmgpt_tl.train.config import RunConfig
    from scmmgpt_tl.train.material import Material

GENES = Path(__file__).parents[1] / "data" / "genes.tsv"
TYPES = {
    "CL:0000084": "T cell",
    "CL:0000624": "CD4-positive, alpha-beta T cell",
    "CL:0000236": "B cell",
    "CL:0000623": "natural killer cell",
    "CL:0000860": "classical monocyte",
    "CL:0000182": "hepatocyte",
}
MATRICES = ("Adult/One", "Adult/Two", "Adult/Held")
# Known by its markers alone.
PLASMA_CELL = "CL:0000786"
N_MARKERS = 12
LLAMA_LAYERS = 30


@pytest.fixture(scope="session")
def gene_table() -> GeneTable:
    """300 genes."""
    return GeneTable.read(GENES)


@pytest.fixture(scope="session")
def run_file(tmp_path_factory, tiny_model) -> Path:
    """YAML file of a run, beside everything it names."""
    folder = tmp_path_factory.mktemp("sources")
    genes = GeneTable.read(GENES)
    write_genes(folder, genes)
    write_profiles(folder, genes)
    write_cells(folder / "cells.h5ad", genes, seed=1)
    write_cells(folder / "held.h5ad", genes, seed=2)
    write_markers(folder / "markers.csv", genes)
    write_bert(folder / "bert", tiny_model.text_tokenizer)
    write_llama(folder / "llama", tiny_model.decoder_tokenizer)
    (folder / "run.yaml").write_text(yaml.safe_dump(RUN), encoding="utf-8")
    return folder / "run.yaml"


@pytest.fixture(scope="session")
def run_config(run_file) -> RunConfig:
    """The run as it is read."""
    from scmmgpt_tl.train.config import RunConfig

    return RunConfig.read(run_file)


@pytest.fixture(scope="session")
def material(run_config) -> Material:
    """Everything the run reads."""
    from scmmgpt_tl.train.material import prepare

    return prepare(run_config)


@pytest.fixture(scope="session", autouse=True)
def one_wording():
    """Start from one wording of each of the ontology's terms: thousands are enough to wait for."""
    from scmmgpt_tl.train import stage1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage1, "FIRST_WORDINGS", 1)
        yield


RUN = {
    "profiles": ["human_*.h5ad"],
    "cells": ["cells.h5ad"],
    "gencode": "gencode.csv.gz",
    "gene_text": "gene_text.jsonl.gz",
    "bert": "bert",
    "language_model": "llama",
    "markers": "markers.csv",
    "markers_without": ["Computed"],
    "held_out_cells": ["held.h5ad"],
    "held_out_studies": ["human_a|Adult/Held"],
    "exclude": ["human_b|Unknown"],
    "architecture": {
        "encoder": {"width": 24, "n_blocks": 1, "n_states": 4, "state_width": 16},
        "bridge": {
            "hidden": 32,
            "n_layers": 2,
            "n_heads": 4,
            "intermediate": 64,
            "n_queries": 3,
            "projection": 16,
            "vocabulary": 141,  # of the tiny tokenizer in tests/conftest.py
            "max_positions": 64,
            "dropout": 0.0,
        },
        "decoder": {"layers": [0, 1, 2, 3, 4, 5, 6, 29], "trim_vocabulary": True},
        "expression": {"width": 16, "n_heads": 2, "n_axes": 4},
    },
    "real_share": 0.25,
    "warm_up_steps": 60,
    "stage1_steps": 9,
    "stage1_cells": 24,
    "stage1_texts": 8,
    "parts": 2,
    "save_every": 20,
    "stage2_steps": 3,
    "stage2_cells": 4,
    "cross_fit": ["human_a"],
    "cross_fit_steps": 4,
    "droplet_steps": 3,
    "expression_steps": 3,
}


def type_shares(genes: GeneTable) -> np.ndarray:
    """Share of each gene in each type, (types, genes): a common base and twelve markers each."""
    level = np.tile(np.random.default_rng(0).gamma(0.3, 1.0, len(genes)), (len(TYPES), 1))
    for i in range(len(TYPES)):
        level[i, i * N_MARKERS : (i + 1) * N_MARKERS] += 8.0
    return (level / level.sum(1, keepdims=True)).astype(np.float32)


def write_genes(folder: Path, genes: GeneTable) -> None:
    """GENCODE and gene descriptions."""
    with gzip.open(folder / "gencode.csv.gz", "wt", encoding="utf-8") as handle:
        for symbol, ensembl in zip(genes.symbols, genes.ensembl_ids, strict=True):
            handle.write(f"{ensembl},{symbol},1,1000,protein_coding\n")
    with gzip.open(folder / "gene_text.jsonl.gz", "wt", encoding="utf-8") as handle:
        for symbol, ensembl in zip(genes.symbols[:50], genes.ensembl_ids[:50], strict=True):
            text = f"{symbol} is gene number {ensembl}."
            gene = {"symbol": symbol, "ensembl": ensembl, "aliases": [], "text": text}
            handle.write(json.dumps(gene) + "\n")


def write_profiles(folder: Path, genes: GeneTable) -> None:
    """Two files: three matrices of different panels; and samples in several units."""
    shares = type_shares(genes)
    symbols, n = list(genes.symbols), len(TYPES)
    obs = pd.DataFrame(
        {
            "cell_type_id": [*TYPES] * 3,
            "tissue": ["AdultPeripheralBlood1"] * n + ["FetalLiver2"] * n + ["Segerstolpe"] * n,
            "unit": "mean normalised expression (linear)",
            "matrix": np.repeat(MATRICES, n),
        },
        index=[f"profile{i}" for i in range(3 * n)],
    )
    a = AnnData(np.tile(shares, (3, 1)) * 1e4, obs=obs, var=pd.DataFrame(index=symbols))
    measured = np.ones((len(genes), 3), dtype=bool)
    measured[200:, 1] = False
    a.X[obs["matrix"] == MATRICES[1], 200:] = 0
    a.varm["measured"] = csr_matrix(measured)
    a.uns["measured_matrices"] = str(np.array(MATRICES))
    a.write_h5ad(folder / "human_a.h5ad")
    b = AnnData(
        np.log1p(1e4 * shares[[0, 2, 2, 4, 0]]),
        obs=pd.DataFrame(
            {
                "cell_type_id": [
                    "CL:0000084",
                    "CL:0000236",
                    "CL:2000001",
                    "CL:0000860",
                    "CL:0000084",
                ],
                "tissue": "blood",
                "unit": ["log1p mean", "log1p mean", "log1p mean", "log2 microarray", "log1p mean"],
                "sample": ["Bulk1", "Bulk1", "Bulk1", "Bulk1", "Unknown2"],
            },
            index=[f"bulk{i}" for i in range(5)],
        ),
        var=pd.DataFrame(index=list(genes.ensembl_ids)),
    )
    b.write_h5ad(folder / "human_b.h5ad")


def write_cells(path: Path, genes: GeneTable, *, seed: int) -> None:
    """90 labelled cells of counts; a third of them has no type."""
    rng = np.random.default_rng(seed)
    shares = type_shares(genes)
    ids, terms = np.arange(90) % 3, np.array(["CL:0000084", "CL:0000236", ""])
    counts = rng.poisson(shares[[0, 2, 4]][ids] * 2000).astype(np.float32)
    AnnData(
        csr_matrix(counts),
        obs=pd.DataFrame(
            {"cell_type_id": terms[ids], "tissue": "blood"}, index=[f"c{i}" for i in range(90)]
        ),
        var=pd.DataFrame(index=list(genes.symbols)),
    ).write_h5ad(path)


def write_markers(path: Path, genes: GeneTable) -> None:
    """Markers of plasma cells and of T cells, and rows that are not to be read."""
    plasma, t_cell = genes.symbols[280:288], genes.symbols[:N_MARKERS]
    rows = [("Human", PLASMA_CELL, gene, "positive", "One") for gene in plasma]
    rows += [("Human", PLASMA_CELL, plasma[0], "positive", "Two")]
    rows += [("Human", "CL:0000084", gene, "positive", "One") for gene in t_cell]
    rows += [
        ("Human", PLASMA_CELL, gene, "positive", "Computed") for gene in genes.symbols[200:208]
    ]
    rows += [("Human", PLASMA_CELL, genes.symbols[210], "negative", "One")]
    rows += [("Mouse", PLASMA_CELL, genes.symbols[211], "positive", "One")]
    rows += [("Human", "CL:9999999", gene, "positive", "One") for gene in plasma]
    columns = ["species", "cell_type_id", "marker", "marker_type", "resource"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)


def tiny_bert(vocabulary: int):
    """A BERT with random weights, of the size of the tiny bridge."""
    import torch
    from transformers import BertConfig, BertModel

    sizes = RUN["architecture"]["bridge"]
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=sizes["hidden"],
        num_hidden_layers=sizes["n_layers"],
        num_attention_heads=sizes["n_heads"],
        intermediate_size=sizes["intermediate"],
        max_position_embeddings=96,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        bert = BertModel(config).eval()
        for parameter in bert.parameters():
            # Biases and norms that start as zeros and ones would hide a part mixed up.
            torch.nn.init.normal_(parameter, std=0.2)
    return bert


def write_bert(folder: Path, tokenizer) -> None:
    """Weights and tokenizer as Hugging Face lays them out."""
    tiny_bert(tokenizer.get_vocab_size()).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def tiny_llama(vocabulary: int, *, n_layers: int = LLAMA_LAYERS):
    """A Llama with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=1024,
        rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
        rms_norm_eps=1e-5,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        return LlamaForCausalLM(config).eval()


def write_llama(folder: Path, tokenizer) -> None:
    """Weights and tokenizer as Hugging Face lays them out."""
    tiny_llama(tokenizer.get_vocab_size()).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
