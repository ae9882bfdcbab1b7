from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from scmmgpt_tl import datasets, pp
from scmmgpt_tl.model.genes import GeneTable
from scmmgpt_tl.pp._genes import _default_genes

SYMBOLS = [
    "JCHAIN", "CD3E", "CD8A", "MS4A1", "HLA-DRA", "ENSA", "C1orf112", "TRAC", "PPBP", "LYZ", "GNLY", "NKG7",
    "CD14", "CST3", "S100A8", "MKI67", "PTPRC", "ALB", "INS", "GCG", "EPCAM", "COL1A1", "PECAM1", "VWF", "HBB",
    "FCGR3A", "IL7R", "CCR7", "SELL", "FOXP3", "GAD1", "SLC17A7", "MOG", "PLP1", "AQP4", "NRGN", "SNAP25",
    "SST", "VIP", "GAD2",
]  # fmt: skip
ALIASES = {"JCHAIN": ("IGJ",), "MS4A1": ("CD20",), "GNLY": ("LAG2", "shared"), "NKG7": ("shared",),
           "LYZ": ("ENSG00000009999",)}  # fmt: skip


@pytest.fixture(scope="module")
def table() -> GeneTable:
    ids = tuple(f"ENSG{i:011d}" for i in range(1, len(SYMBOLS) + 1))
    return GeneTable(tuple(SYMBOLS), ids, tuple(ALIASES.get(s, ()) for s in SYMBOLS))


def cells(names, **columns) -> AnnData:
    return AnnData(
        np.ones((2, len(names)), dtype=np.float32), var=pd.DataFrame(columns, index=list(names))
    )


def match(names, table, min_genes: int = 1, **columns):
    return pp.match_genes(cells(names, **columns), genes=table, min_genes=min_genes)


@pytest.mark.parametrize(
    ("name", "symbol", "way"),
    [
        ("CD3E", "CD3E", "symbol"),
        ("ENSA", "ENSA", "symbol"),
        ("IGJ", "JCHAIN", "alias"),
        ("ENSG00000000002", "CD3E", "ensembl"),
        ("ENSG00000000002.17", "CD3E", "ensembl"),
        ("ENSG00000000002.17_PAR_Y", "CD3E", "ensembl"),
        ("CD3E_ENSG00000000002", "CD3E", "ensembl"),
        ("ENSG00000000002.3|unnamed", "CD3E", "ensembl"),
        ("ENSG00000009999.2", "LYZ", "alias"),
        ("cd3e", "CD3E", "respelled"),
        ("C1ORF112", "C1orf112", "respelled"),
        ("igj", "JCHAIN", "respelled"),
        ("HLA.DRA", "HLA-DRA", "respelled"),
        ("GRCh38_CD3E", "CD3E", "respelled"),
        ("hg19_ENSG00000000002", "CD3E", "ensembl"),
        ("CD3E ", "CD3E", "respelled"),
    ],
)
def test_a_name_is_found(name, symbol, way, table):
    report = match([*SYMBOLS[20:], name], table)
    assert table.symbols[report.index[-1]] == symbol
    assert report.by[way] == (21 if way == "symbol" else 1)


@pytest.mark.parametrize(
    "name",
    [
        "shared",
        "ENST00000000002",
        "ENSP00000000002",
        "ENSG00000000002x",
        "ENSG0000000002",
        "ENSG00000099999",
        "mm10___Cd3e",
        "CD3E-1",
        "CD3E.2",
        "",
        "nan",
    ],
)
def test_a_name_means_no_gene(name, table):
    # CD3E itself is not in this file: a suffix alone makes no repetition.
    report = match([*SYMBOLS[20:], name], table)
    assert report.index[-1] == -1
    assert report.dropped == (name,)
    assert (report.n_matched, report.n_dropped) == (20, 1)


@pytest.mark.parametrize("name", ["CD3E-1", "CD3E.1", "CD3E-12"])
def test_suffix_of_a_repeated_name_is_seen_through(name, table):
    report = match([*SYMBOLS, name], table)
    assert report.index[-1] == SYMBOLS.index("CD3E")
    assert report.n_duplicated == 2


def test_numbers_add_up(table):
    names = [
        "IGJ",
        "JCHAIN",
        "ENSG00000000002",
        "cd8a",
        "CD20",
        "strange",
        "stranger",
        *SYMBOLS[20:],
    ]
    report = match(names, table)
    assert report.n_file == len(names)
    assert report.by == {"symbol": 21, "alias": 2, "ensembl": 1, "respelled": 1}
    assert report.n_matched == sum(report.by.values()) == 25
    assert report.n_covered == 24
    assert report.n_model == 40
    assert report.coverage == 24 / 40
    assert report.n_duplicated == 2
    assert report.n_dropped == 2
    assert report.dropped == ("strange", "stranger")
    assert [SYMBOLS[i] for i in report.index[:5]] == ["JCHAIN", "JCHAIN", "CD3E", "CD8A", "MS4A1"]


def test_repeated_var_names(table):
    with pytest.warns(UserWarning, match="Variable names are not unique"):
        adata = cells(["CD3E", "CD3E", *SYMBOLS[20:]])
    report = pp.match_genes(adata, genes=table, min_genes=1)
    assert (report.index[:2] == SYMBOLS.index("CD3E")).all()


def test_order_of_the_file_does_not_matter(table):
    rng = np.random.default_rng(0)
    order = rng.permutation(len(SYMBOLS))
    report = match(np.array(SYMBOLS)[order], table)
    np.testing.assert_array_equal(report.index, order)


# Sources


@pytest.mark.parametrize(
    "column", ["gene_ids", "ensembl_id", "gene_name", "gene_symbols", "feature_name"]
)
def test_known_column_is_found_where_names_say_nothing(column, table):
    values = table.ensembl_ids if "id" in column else table.symbols
    report = match([f"g{i}" for i in range(40)], table, **{column: list(values)})
    assert report.source == column
    assert report.n_matched == 40


def test_var_names_win_a_tie(table):
    report = match(SYMBOLS, table, gene_ids=list(table.ensembl_ids))
    assert report.source == "var_names"


def test_better_column_wins(table):
    names = [f"old{s}" if i % 2 else s for i, s in enumerate(SYMBOLS)]
    assert match(names, table, gene_ids=list(table.ensembl_ids)).source == "gene_ids"


def test_named_column_is_used_and_nothing_else(table):
    adata = cells(SYMBOLS, mine=["CD3E", *["?"] * 39])
    with pytest.raises(ValueError, match=r"Only 1 of 40 genes .* in mine"):
        pp.match_genes(adata, genes=table, gene_symbols="mine")
    report = pp.match_genes(cells(["x"] * 0 + list("abc"), mine=["CD3E", "LYZ", "ALB"]), genes=table,
                            gene_symbols="mine", min_genes=1)  # fmt: skip
    assert report.source == "mine"


def test_var_names_can_be_named(table):
    adata = cells([f"old{s}" if i % 2 else s for i, s in enumerate(SYMBOLS)], gene_ids=SYMBOLS)
    report = pp.match_genes(adata, genes=table, gene_symbols="var_names", min_genes=1)
    assert (report.source, report.n_matched) == ("var_names", 20)


def test_categorical_column_with_missing_names(table):
    values = pd.Categorical([None, *SYMBOLS[1:]])
    report = match([f"g{i}" for i in range(40)], table, feature_name=values)
    assert report.n_matched == 39
    assert report.dropped == ("",)


def test_missing_column_is_named(table):
    with pytest.raises(ValueError, match=r"no column 'symbols' in `.var`. Columns: \['gene_ids'\]"):
        pp.match_genes(cells(SYMBOLS, gene_ids=SYMBOLS), genes=table, gene_symbols="symbols")


# Features that are no genes


@pytest.mark.parametrize(
    "kind",
    [
        "Antibody Capture",
        "antibody capture",
        "CRISPR Guide Capture",
        "Peaks",
        "Multiplexing Capture",
    ],
)
def test_other_features_are_left_out(kind, table):
    names = [*SYMBOLS, "CD14_protein", "CD3E-1"]
    report = match(names, table, feature_types=["Gene Expression"] * 40 + [kind] * 2)
    assert (report.n_not_genes, report.n_matched, report.n_dropped) == (2, 40, 0)
    assert (report.index[-2:] == -1).all()
    assert "2 features are no genes" in str(report)


def test_antibody_named_like_a_gene_is_not_added_to_it(table):
    with pytest.warns(UserWarning, match="Variable names are not unique"):
        adata = cells(
            [*SYMBOLS, "CD14"], feature_types=["Gene Expression"] * 40 + ["Antibody Capture"]
        )
    report = pp.match_genes(adata, genes=table)
    assert report.index[-1] == -1
    assert report.n_duplicated == 0


# Species and thresholds


MOUSE = ["Cd3e", "Jchain", "Cd8a", "Ms4a1", "Ptprc", "Cd8b1", "Ins2", "Lyz2", "Trac"]
HUMAN = ["CD3E", "JCHAIN", "CD8A", "MS4A1", "PTPRC", "CD8B", "INS", "LYZ", "TRAC"]


def human_symbols(report) -> list[str]:
    genes = _default_genes()
    return [genes.symbols[i] if i >= 0 else "" for i in report.index]


def test_mouse_symbols_are_read_as_their_orthologs():
    report = pp.match_genes(cells([*MOUSE, "Gm12345"]), min_genes=1)
    assert report.species == "mouse"
    assert human_symbols(report) == [*HUMAN, ""]
    assert report.by["symbol"] == report.n_matched == len(HUMAN)


def test_mouse_ids_are_read_as_their_orthologs():
    ids = ["ENSMUSG00000032093.7", "ENSMUSG00000026395", "ENSMUSG00000099999"]
    report = pp.match_genes(cells(ids), min_genes=1)
    assert (report.species, report.by["ensembl"]) == ("mouse", 2)
    assert human_symbols(report) == ["CD3E", "PTPRC", ""]


def test_mouse_symbols_in_capitals_are_known_by_those_that_only_mice_have():
    clones = [f"{i:07d}A{i:02d}RIK" for i in range(10, 16)]
    report = pp.match_genes(cells([*map(str.upper, MOUSE), *clones]), min_genes=1)
    assert report.species == "mouse"
    assert human_symbols(report)[: len(MOUSE)] == HUMAN


def test_report_on_a_mouse_says_how_it_was_read():
    text = str(pp.match_genes(cells([*MOUSE, "Gm12345"]), min_genes=1))
    assert (
        "9 of 10 genes matched from var_names (9 by symbol), through one-to-one orthologs" in text
    )
    assert "1 without an ortholog that the model knows, such as Gm12345" in text
    assert text.endswith("species: mouse")


def test_mouse_file_with_ids_beside_symbols_is_read_from_where_most_is_known():
    ids = ["ENSMUSG00000032093", "ENSMUSG00000026395", "ENSMUSG00000053977"]
    report = pp.match_genes(cells(["Cd3e", "Ptprc", "strange"], gene_ids=ids), min_genes=1)
    assert (report.source, report.n_matched) == ("gene_ids", 3)


def test_mouse_genes_with_human_names_already_are_left_as_they_are():
    ids = ["ENSMUSG00000032093", "ENSMUSG00000026395"]
    report = pp.match_genes(cells(["CD3E", "PTPRC"], gene_ids=ids), min_genes=1)
    assert (report.source, report.species) == ("var_names", "human")


BARNYARD = [*(f"GRCh38_{s}" for s in HUMAN), *(f"mm10___{s}" for s in MOUSE)]


def test_of_a_mixture_the_human_genes_are_read_with_a_warning():
    with pytest.warns(UserWarning, match='genes of a human and of a mouse.*`species="mouse"`'):
        report = pp.match_genes(cells(BARNYARD), min_genes=1)
    assert human_symbols(report) == [*HUMAN, *[""] * len(MOUSE)]
    assert (report.species, report.beside) == ("human", "mouse")
    assert "genes of a mouse beside them are left out" in str(report)


@pytest.mark.parametrize("species", ["human", "mouse"])
def test_of_a_mixture_the_asked_species_is_read(species):
    report = pp.match_genes(cells(BARNYARD), species=species, min_genes=1)
    found = human_symbols(report)
    assert [name for name in found if name] == HUMAN
    assert found.index("CD3E") == (0 if species == "human" else len(HUMAN))


def test_a_mixture_without_prefixes_keeps_the_mouse_out_of_human_genes():
    with pytest.warns(UserWarning, match="genes of a human and of a mouse"):
        report = pp.match_genes(cells([*HUMAN, *MOUSE]), min_genes=1)
    assert human_symbols(report) == [*HUMAN, *[""] * len(MOUSE)]


@pytest.mark.parametrize(
    ("names", "species"),
    [
        ([f"ENSDARG{i:011d}" for i in range(30)], "zebrafish"),
        ([f"ENSRNOG{i:011d}.2" for i in range(30)], "rat"),
        ([f"FBgn{i:07d}" for i in range(30)], "fruit fly"),
        ([f"ENSXYZG{i:011d}" for i in range(30)], "a species with ids ENSXYZG"),
        ([*MOUSE, *(f"RT1-A{i}" for i in range(9))], "rat"),
        ([*map(str.lower, HUMAN), *(f"si:dkey-{i}" for i in range(9))], "zebrafish"),
    ],
)
def test_other_species_are_refused_by_name(names, species):
    with pytest.raises(ValueError, match=f"another species, {species}.*covered are human and"):
        pp.match_genes(cells(names), min_genes=1)


def test_ids_of_another_species_beside_symbols_tell():
    ids = [f"ENSRNOG{i:011d}" for i in range(len(MOUSE))]
    with pytest.raises(ValueError, match=r"another species, rat .such as ENSRNOG.* in gene_ids"):
        pp.match_genes(cells(MOUSE, gene_ids=ids), min_genes=1)


def test_the_user_knows_better():
    names = [*map(str.lower, HUMAN), *(f"si:dkey-{i}" for i in range(9))]
    report = pp.match_genes(cells(names), species="human", min_genes=1)
    assert (report.n_matched, report.species) == (len(HUMAN), "human")


def test_species_must_be_covered():
    with pytest.raises(ValueError, match="must be 'auto', 'human' or 'mouse', not 'rat'"):
        pp.match_genes(cells(HUMAN), species="rat")


@pytest.mark.parametrize("change", [str, str.lower, str.upper], ids=["as is", "lower", "upper"])
def test_human_in_any_case_is_human(change, table):
    assert match([change(s) for s in SYMBOLS], table).species == "human"


def test_small_human_panel_passes(table):
    report = pp.match_genes(cells(SYMBOLS[:33]), genes=table)
    assert (report.n_matched, report.species) == (33, "human")


def test_too_few_genes_are_refused(table):
    with pytest.raises(
        ValueError,
        match="Only 24 of 24 genes are known to the model; 25 are needed",
    ):
        pp.match_genes(cells(SYMBOLS[:24]), genes=table)
    assert pp.match_genes(cells(SYMBOLS[:24]), genes=table, min_genes=24).n_matched == 24


def test_a_share_of_many_genes_is_too_few():
    table = GeneTable(tuple(f"GENE{i}A" for i in range(1000)), ("",) * 1000, ((),) * 1000)
    names = [*table.symbols[:99], *(f"other{i}" for i in range(2000))]
    with pytest.raises(ValueError, match="Only 99 of 2099 genes .*; 100 are needed"):
        pp.match_genes(cells(names), genes=table)
    assert pp.match_genes(cells([*names, table.symbols[99]]), genes=table).n_matched == 100


def test_error_shows_both_sides(table):
    with pytest.raises(
        ValueError,
        match="The file has g0, g1, g2, g3, g4 in var_names; the model has "
        "JCHAIN, CD3E, CD8A, MS4A1, HLA-DRA. Pass `gene_symbols=`",
    ):
        pp.match_genes(cells([f"g{i}" for i in range(50)]), genes=table)


def test_no_genes_at_all(table):
    with pytest.raises(ValueError, match="Only 0 of 0 genes"):
        pp.match_genes(AnnData(np.zeros((3, 0))), genes=table)


# The report


def test_report_reads_well(table):
    text = str(match(["IGJ", "JCHAIN", "strange", *SYMBOLS[20:]], table))
    assert text.splitlines() == [
        "22 of 23 genes matched from var_names (21 by symbol, 1 by alias)",
        "21 of the model's 40 genes present (52%)",
        "1 unknown to the model, such as strange",
        "2 share a gene with another and are added up",
        "species: human",
    ]


def test_report_of_perfect_match_has_no_empty_lines(table):
    assert len(str(match(SYMBOLS, table)).splitlines()) == 3


def test_summary_is_flat(table):
    summary = match(["IGJ", "strange", *SYMBOLS[20:]], table).summary()
    assert {type(value) for value in summary.values()} <= {str, int, float, list}
    assert summary["by_alias"] == 1
    assert summary["dropped"] == ["strange"]


def test_object_is_left_alone(table):
    adata = cells(SYMBOLS, feature_types="Gene Expression")
    before = adata.var.copy()
    pp.match_genes(adata, genes=table)
    pd.testing.assert_frame_equal(adata.var, before)


# Size and real files


def test_time_grows_with_the_names_and_not_with_their_square():
    def seconds(n: int) -> float:
        symbols = tuple(f"GENE{i}A" for i in range(n))
        ids = tuple(f"ENSG{i:011d}" for i in range(n))
        table = GeneTable(symbols, ids, tuple((f"OLD{i}", f"older{i}") for i in range(n)))
        named = (*symbols[::2], *(f"old{i}" for i in range(0, n, 2)))
        adata = cells([*named, *(f"RP11-{i}.1" for i in range(n // 2))])
        start = time.process_time()
        report = pp.match_genes(adata, genes=table)
        taken = time.process_time() - start
        assert report.n_matched == len(set(named))
        return taken

    # Half the largest number of names in use, and an eighth: the square would take 64 times as long.
    few, many = (min(seconds(n + i) for i in range(3)) for n in (5_000, 40_000))
    assert many < 24 * few


def test_shipped_cells_match_the_shipped_genes():
    report = pp.match_genes(datasets.immune_mini())
    assert report.species == "human"
    assert report.n_matched > 15_000
    names = datasets.immune_mini().var_names
    assert report.index[names.get_loc("IGJ")] >= 0


def test_shipped_panel_matches_the_shipped_genes():
    report = pp.match_genes(datasets.pbmc68k())
    assert report.n_matched > 650


@pytest.mark.parametrize("name", ["chr1:9772-10660", "1:9772-10660", "chrX_100_200", "chr2-1-9"])
def test_peaks_are_refused(name):
    adata = AnnData(np.ones((3, 2)), var=pd.DataFrame(index=[name, name + "1"]))
    with pytest.raises(ValueError, match="These are peaks of chromatin .*make_gene_matrix"):
        pp.match_genes(adata)
