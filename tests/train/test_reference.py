from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.genes import GeneTable
from scmmgpt_tl.train.corpus.files import read_cells
from scmmgpt_tl.train.material import prepare
from scmmgpt_tl.train.reference import read_profiles

from .conftest import PLASMA_CELL


@pytest.fixture
def profiles(run_config, gene_table):
    return read_profiles(run_config.profiles, gene_table)


def test_shares_sum_to_one(profiles):
    np.testing.assert_allclose(profiles.shares.sum(1), 1, atol=1e-5)
    assert (profiles.shares >= 0).all()


def test_every_column_has_one_entry_a_profile(profiles):
    n = len(profiles.shares)
    assert n == len(profiles.terms) == len(profiles.tissues) == len(profiles.studies)
    assert profiles.panel.shape == (n,)
    assert profiles.panel.max() < len(profiles.panels)


def test_mixtures_and_units_without_zero_are_left_out(profiles):
    bulk = [s for s in profiles.studies if s.startswith("human_b")]
    # Of five, one is a mixture (PBMC) and one is in log2 of an array.
    assert bulk == ["human_b|Bulk1", "human_b|Bulk1", "human_b|Unknown2"]


def test_logged_profiles_are_linear_again(profiles, run_config):
    a = read_h5ad(run_config.profiles[0]).X[0]
    of_b = profiles.studies.index("human_b|Bulk1")
    np.testing.assert_allclose(profiles.shares[of_b], a / a.sum(), rtol=1e-3, atol=1e-7)


def test_nothing_lies_outside_the_panel(profiles):
    measured = profiles.panels[profiles.panel]
    assert not profiles.shares[~measured].any()
    narrow = [i for i, s in enumerate(profiles.studies) if s == "human_a|Adult/Two"]
    assert (measured[narrow].sum(1) == 200).all()
    assert measured.sum(1).max() == 300


@pytest.mark.parametrize("exclude", [("human_a|Adult/Held",), ("human_a",), ("human",)])
def test_excluded_studies_are_gone(run_config, gene_table, profiles, exclude):
    found = read_profiles(run_config.profiles, gene_table, exclude=exclude)
    expected = [s for s in profiles.studies if not s.startswith(exclude)]
    assert list(found.studies) == expected
    kept = [not s.startswith(exclude) for s in profiles.studies]
    np.testing.assert_array_equal(found.shares, profiles.shares[kept])


def test_only_some_studies(run_config, gene_table):
    found = read_profiles(run_config.profiles, gene_table, only=["human_a|Adult/Held"])
    assert set(found.studies) == {"human_a|Adult/Held"}
    assert len(found.terms) == 6


def test_material_holds_nothing_held_out_or_excluded(material):
    studies = set(material.profiles.studies)
    assert studies == {"human_a|Adult/One", "human_a|Adult/Two", "human_b|Bulk1"}
    assert [part.study for part in material.cells] == ["cells"]


def test_cells_keep_counts_and_lose_those_without_type(run_config, gene_table):
    cells = read_cells(run_config.cells[0], gene_table)
    adata = read_h5ad(run_config.cells[0])
    typed = (adata.obs["cell_type_id"] != "").to_numpy()
    place = [gene_table.symbols.index(name) for name in adata.var_names]
    expected = np.zeros((typed.sum(), len(gene_table)))
    expected[:, place] = adata.X[typed].toarray()
    np.testing.assert_array_equal(cells.counts.toarray(), expected)
    assert list(cells.terms) == list(adata.obs["cell_type_id"][typed])
    assert (cells.study, set(cells.tissues)) == ("cells", {"blood"})


def write(path, names, n=4):
    obs = pd.DataFrame(
        {"cell_type_id": "CL:0000084", "tissue": "blood"}, index=[f"c{i}" for i in range(n)]
    )
    counts = np.arange(1, n * len(names) + 1, dtype=np.float32).reshape(n, -1)
    AnnData(csr_matrix(counts), obs=obs, var=pd.DataFrame(index=names)).write_h5ad(path)
    return counts


def test_genes_are_found_by_symbol_alias_and_id_and_summed(tmp_path, gene_table):
    gene = next(i for i, aliases in enumerate(gene_table.aliases) if aliases)
    names = [gene_table.symbols[gene], gene_table.ensembl_ids[gene], "UNHEARD"]
    names.append(
        gene_table.by_alias and next(a for a, i in gene_table.by_alias.items() if i == gene)
    )
    counts = write(tmp_path / "some.h5ad", names)
    cells = read_cells(tmp_path / "some.h5ad", gene_table)
    np.testing.assert_array_equal(
        cells.counts[:, gene].toarray()[:, 0], counts[:, [0, 1, 3]].sum(1)
    )
    assert np.flatnonzero(cells.measured).tolist() == [gene]


def test_a_file_of_other_genes_is_an_error(tmp_path, gene_table):
    write(tmp_path / "other.h5ad", ["UNHEARD", "unseen_x"])
    with pytest.raises(ValueError, match=r"None of the genes UNHEARD, unseen_x .* in the gene"):
        read_cells(tmp_path / "other.h5ad", gene_table)


def test_mouse_genes_are_read_as_their_human_orthologs(tmp_path):
    counts = write(tmp_path / "mouse.h5ad", ["Ptprc", "Gm12345", "Cd3e"])
    genes = GeneTable(("CD3E", "PTPRC", "ALB"), ("", "ENSG00000081237", ""), ((), (), ()))
    cells = read_cells(tmp_path / "mouse.h5ad", genes)
    np.testing.assert_array_equal(cells.counts[:, :2].toarray(), counts[:, [2, 0]])
    assert cells.measured.tolist() == [True, True, False]


def test_profiles_of_a_mouse_are_read_as_their_human_orthologs(tmp_path):
    obs = {"cell_type_id": "CL:0000084", "tissue": "Spleen", "unit": "mean", "citation": ""}
    adata = AnnData(
        csr_matrix(np.array([[3, 5, 1]], dtype=np.float32)),
        obs=pd.DataFrame(obs, index=["profile"]),
        var=pd.DataFrame(index=["Ptprc", "Gm12345", "Cd3e"]),
    )
    adata.write_h5ad(tmp_path / "mouse.h5ad")
    genes = GeneTable(("CD3E", "PTPRC", "ALB"), ("", "ENSG00000081237", ""), ((), (), ()))
    profiles = read_profiles([tmp_path / "mouse.h5ad"], genes)
    np.testing.assert_allclose(profiles.shares, [[0.25, 0.75, 0]])
    assert profiles.panels.tolist() == [[True, True, False]]


def test_genes_of_another_species_are_an_error(tmp_path, gene_table):
    write(tmp_path / "rat.h5ad", [f"ENSRNOG{i:011d}" for i in range(9)])
    with pytest.raises(ValueError, match="another species, rat; a run can learn from human and"):
        read_cells(tmp_path / "rat.h5ad", gene_table)


def test_types_are_left_out_with_all_kinds_of_them(run_config):
    material = prepare(replace(run_config, without_types=("CL:0000084", PLASMA_CELL)))
    assert "CL:0000236" in material.types
    assert not {"CL:0000084", "CL:0000624", PLASMA_CELL} & set(material.types)
    assert not {"CL:0000084", "CL:0000624"} & set(material.cells[0].terms)
    drawn = material.source.draw(200, np.random.default_rng(0), at=(0, 0, 0))
    assert {material.types[t] for t in drawn.term} == set(material.types)


def test_types_left_out_must_exist(run_config):
    with pytest.raises(ValueError, match=r"`without_types` holds 'CL:9', which is no term"):
        prepare(replace(run_config, without_types=("CL:9",)))
