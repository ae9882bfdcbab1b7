from __future__ import annotations

import gzip
import json

import pytest

from scmmgpt_tl.train.genes import build_gene_table, read_gene_text

GENCODE = [
    ("ENSG01", "TP53", "protein_coding"),
    ("ENSG02", "CD3E", "protein_coding"),
    ("ENSG03", "IGHM", "IG_C_gene"),
    ("ENSG04", "TRAC", "TR_C_gene"),
    ("ENSG05", "IGHV1", "IG_V_gene"),
    ("ENSG06", "MALAT1", "lncRNA"),
    ("ENSG07", "NEAT1", "lncRNA"),
    ("ENSG08", "ENSG08", "protein_coding"),
    ("ENSG09", "TP53", "protein_coding"),
    ("ENSG10", "NEWNAME", "protein_coding"),
]
TEXTS = [
    {
        "symbol": "TP53",
        "ensembl": "ENSG01",
        "aliases": ["P53", "SHARED", "CD3E", "A|B"],
        "text": "a",
    },
    {"symbol": "CD3E", "ensembl": "ENSG02", "aliases": ["SHARED", "T3E"], "text": "b"},
    {"symbol": "OLDNAME", "ensembl": "ENSG10", "aliases": ["OLDER"], "text": "c"},
    {"symbol": "GONE", "ensembl": "ENSG99", "aliases": ["LOST"], "text": "d"},
]


@pytest.fixture
def table(tmp_path):
    gencode, texts = tmp_path / "genes.csv.gz", tmp_path / "text.jsonl.gz"
    with gzip.open(gencode, "wt") as handle:
        handle.writelines(f"{e},{s},1,900,{biotype}\n" for e, s, biotype in GENCODE)
    with gzip.open(texts, "wt") as handle:
        handle.writelines(json.dumps(gene) + "\n" for gene in TEXTS)
    assert read_gene_text(texts) == TEXTS
    return build_gene_table(gencode, texts, extra={"MALAT1"})


def test_coding_genes_and_those_asked_for(table):
    assert table.symbols == ("CD3E", "IGHM", "MALAT1", "NEWNAME", "TP53", "TRAC")


def test_the_first_id_of_a_symbol_counts(table):
    assert dict(zip(table.symbols, table.ensembl_ids, strict=True))["TP53"] == "ENSG01"


def test_aliases_mean_one_gene(table):
    aliases = dict(zip(table.symbols, table.aliases, strict=True))
    assert aliases["TP53"] == ("P53",)  # not SHARED, not another symbol, nothing with a bar
    assert aliases["CD3E"] == ("T3E",)
    assert aliases["IGHM"] == ()


def test_an_older_symbol_is_an_alias_found_by_id(table):
    assert dict(zip(table.symbols, table.aliases, strict=True))["NEWNAME"] == ("OLDER", "OLDNAME")
