from __future__ import annotations

import pytest

from scmmgpt_tl.model.gene_names import human_genes, table_of_ids, table_of_symbols
from scmmgpt_tl.model.genes import GeneTable

KNOWN = GeneTable(
    ("JCHAIN", "CD3D", "MS4A1"),
    ("ENSG00000132465", "ENSG00000167286", "ENSG00000156738"),
    (("IGJ", "OLD"), (), ("CD20",)),
)


def test_symbols_get_ids_and_aliases():
    table = table_of_symbols(["CD3D", "JCHAIN", "LINC1"], known=KNOWN)
    assert table.ensembl_ids == ("ENSG00000167286", "ENSG00000132465", "")
    assert table.by_alias["IGJ"] == 1


def test_an_old_symbol_stands_for_its_gene_unless_the_new_one_is_there():
    old = table_of_symbols(["IGJ"], known=KNOWN)
    assert old.by_ensembl["ENSG00000132465"] == 0
    assert old.by_alias["JCHAIN"] == 0
    both = table_of_symbols(["IGJ", "JCHAIN"], known=KNOWN)
    assert both.ensembl_ids == ("", "ENSG00000132465")
    assert "IGJ" not in both.by_alias
    two_old = table_of_symbols(["IGJ", "OLD"], known=KNOWN)
    assert two_old.ensembl_ids == ("ENSG00000132465", "")


def test_ids_get_symbols():
    table = table_of_ids(
        ["ENSG00000156738", "ENSG9", "ENSG8", "ENSG7"],
        symbols={"LINC9": "ENSG9", "MS4A1": "ENSG8", "B1": "ENSG00000156738", "no": "ENSG0"},
        merged={"ENSG6": "ENSG7", "ENSG7": "ENSG7", "ENSG5": "ENSG4"},
        known=KNOWN,
    )
    # The symbol that the package knows is another gene's: the published one must not take it.
    assert table.symbols == ("MS4A1", "LINC9", "ENSG8", "ENSG7")
    assert table.by_alias["CD20"] == table.by_alias["B1"] == 0
    assert table.by_alias["ENSG6"] == 3
    assert "ENSG5" not in table.by_alias


@pytest.mark.parametrize("symbol", ["CD3D", "GNLY"])
def test_the_packages_own_table(symbol):
    assert human_genes().by_symbol[symbol] >= 0
    assert table_of_symbols([symbol]).ensembl_ids[0].startswith("ENSG")
