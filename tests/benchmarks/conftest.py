"""The scripts lie outside the package; their helpers are imported as the scripts do it."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# The source archive holds tests but no benchmarks.
collect_ignore_glob = [] if BENCHMARKS.is_dir() else ["test_*.py"]
sys.path.insert(0, str(BENCHMARKS))

TYPES = {
    "T": ("T cell", "CL:0000084"),
    "B": ("B cell", "CL:0000236"),
    "mono": ("odd cell", ""),
}


@pytest.fixture
def bench_folder(counts_adata, tmp_path):
    """A data set in `data`, a page to write into in `docs`."""
    from _page import markers

    obs = counts_adata.obs
    obs["cell_type"] = [TYPES[name][0] for name in obs["cluster"]]
    obs["cell_type_id"] = [TYPES[name][1] for name in obs["cluster"]]
    obs["cl_relation"] = np.where(obs["cell_type_id"] == "", "none", "exact")
    obs["assay"], obs["tissue"] = "10x", "blood"
    obs["batch"] = np.tile(["one", "two"], 30)
    (tmp_path / "data").mkdir()
    counts_adata.write_h5ad(tmp_path / "data" / "tiny_study.h5ad")
    (tmp_path / "docs").mkdir()
    names = (
        "targets",
        "annotate",
        "retrieval",
        "search_words",
        "leave_types_out",
        "embedding",
        "integrate",
        "description",
        "few_shot",
        "refine",
        "label_transfer",
        "compare",
        "explain",
        "gene_network",
        "gene_sets",
        "generation",
        "perturb",
        "ablation",
        "leave_study_out",
        "encoders",
        "export",
        "tokens",
        "mouse",
        "deconvolve",
        "neighborhoods",
        "slides",
        "panels",
        "proteins",
    )
    sections = [f"{markers(n)[0]}\nold {n}\n{markers(n)[1]}\n" for n in names]
    page = tmp_path / "docs" / "benchmarks.md"
    page.write_text("before\n" + "".join(sections) + "after\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def options(bench_folder, tiny_bundle):
    """Command line on that data set, with the tiny model."""
    given = {"data": "data", "out": "out", "docs": "docs"}
    paths = [part for key, name in given.items() for part in (f"--{key}", str(bench_folder / name))]
    return [*paths, "--model", str(tiny_bundle)]


@pytest.fixture(scope="session")
def sentences_folder(tmp_path_factory):
    """A sentence encoder with random weights that knows letters alone."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("sentences")
    letters = [chr(code) for code in range(33, 127)]
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{c}" for c in letters)]
    (folder / "vocab.txt").write_text("\n".join(names), encoding="utf-8")
    from tokenizers import BertWordPieceTokenizer

    words = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words._tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    )
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(names),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def go_folder(tmp_path, tiny_model):
    """Two terms of twelve genes, and one of two."""
    symbols = tiny_model.genes.symbols
    members = {"GO:1": symbols[:12], "GO:2": symbols[6:18], "GO:3": symbols[:2]}
    (tmp_path / "go").mkdir()
    with sqlite3.connect(tmp_path / "go" / "org.Hs.eg.sqlite") as table:
        table.execute("create table gene_info (_id integer, symbol text)")
        table.execute("create table go_bp_all (_id integer, go_id text)")
        table.executemany("insert into gene_info values (?, ?)", enumerate(symbols))
        rows = [(symbols.index(gene), term) for term, own in members.items() for gene in own]
        table.executemany("insert into go_bp_all values (?, ?)", rows)
    with sqlite3.connect(tmp_path / "go" / "GO.sqlite") as table:
        table.execute("create table go_term (go_id text, term text)")
        names = [("GO:1", "first glowing"), ("GO:2", "second fading"), ("GO:3", "third")]
        table.executemany("insert into go_term values (?, ?)", names)
    return tmp_path / "go"
