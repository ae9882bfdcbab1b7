from __future__ import annotations

import pytest

from scmmgpt_tl.model.genes import GeneTable

TABLE = GeneTable(
    ("JCHAIN", "CD3E", "C1orf112", "IL2"),
    ("ENSG00000132465", "ENSG00000198851", "", "ENSG00000109471"),
    (("IGJ", "shared"), (), ("shared", "IL2"), ()),
)


def test_lookups():
    assert TABLE.by_symbol == {"JCHAIN": 0, "CD3E": 1, "C1orf112": 2, "IL2": 3}
    assert TABLE.by_ensembl == {
        "ENSG00000132465": 0,
        "ENSG00000198851": 1,
        "ENSG00000109471": 3,
    }
    assert len(TABLE) == 4


def test_alias_of_two_genes_or_equal_to_a_symbol_means_nothing():
    assert TABLE.by_alias == {"IGJ": 0}


def test_capitals():
    assert TABLE.by_upper["C1ORF112"] == 2
    assert TABLE.by_upper["IGJ"] == 0


def test_capitals_of_two_symbols_mean_nothing():
    table = GeneTable(("Ab1", "AB1"), ("", ""), ((), ()))
    assert "AB1" not in table.by_upper


def test_round_trip(tmp_path):
    TABLE.write(tmp_path / "genes.tsv")
    assert GeneTable.read(tmp_path / "genes.tsv") == TABLE
    text = (tmp_path / "genes.tsv").read_bytes()
    assert text.startswith(b"symbol\tensembl_id\taliases\nJCHAIN\tENSG00000132465\tIGJ|shared\n")


def test_quotes_in_names_survive(tmp_path):
    table = GeneTable(('5"-gene', "b"), ("", ""), (("'x",), ()))
    table.write(tmp_path / "genes.tsv")
    assert GeneTable.read(tmp_path / "genes.tsv") == table


def test_empty_table_round_trip(tmp_path):
    GeneTable((), (), ()).write(tmp_path / "genes.tsv")
    assert len(GeneTable.read(tmp_path / "genes.tsv")) == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((("a", "b"), ("",), ((), ())), r"equally many, not \(2, 1, 2\)"),
        ((("a", "a"), ("", ""), ((), ())), "Each symbol may occur once; repeated: a"),
        ((("a", "b"), ("E", "E"), ((), ())), "Each Ensembl id may occur once; repeated: E"),
    ],
)
def test_wrong_tables_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        GeneTable(*columns)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"must begin with the header \['symbol', 'ensembl_id', 'aliases'\], not \[\]"),
        ("gene\tid\n", "must begin with the header"),
        ("symbol\tensembl_id\taliases\na\tb\n", "Line 2 of .* must have 3 fields, not 2"),
        ("A" * 200_000, "is no table of genes: field larger than field limit"),
    ],
)
def test_wrong_files_are_refused(tmp_path, text, message):
    (tmp_path / "genes.tsv").write_text(text)
    with pytest.raises(ValueError, match=message):
        GeneTable.read(tmp_path / "genes.tsv")
