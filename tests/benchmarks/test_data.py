from __future__ import annotations

import numpy as np
import pytest
from _data import read_query, read_study, what_to_ask
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.genes import GeneTable

TYPES = {"T": ("T cell", "CL:0000084"), "B": ("B cell", "CL:0000236"), "mono": ("unknown", "")}


@pytest.fixture
def study_file(counts_adata, tmp_path):
    for column, place in (("cell_type", 0), ("cell_type_id", 1)):
        counts_adata.obs[column] = [TYPES[name][place] for name in counts_adata.obs["cluster"]]
    counts_adata.obs["cl_relation"] = "exact"
    counts_adata.write_h5ad(tmp_path / "study.h5ad")
    return tmp_path / "study.h5ad"


def test_cells_without_a_label_are_left_out(study_file):
    study = read_study(study_file, max_cells=100, seed=0)
    assert study.n_labelled == study.adata.n_obs == 40
    assert study.labels == ("B cell", "T cell")
    assert study.cl_ids == study.asked == ("CL:0000236", "CL:0000084")
    assert np.array_equal(study.truth, np.repeat([1, 0], 20))


def test_a_sample_is_the_same_for_the_same_seed(study_file):
    first, again, other = (read_study(study_file, max_cells=10, seed=s) for s in (0, 0, 1))
    assert first.adata.n_obs == 10
    assert list(first.adata.obs_names) == list(again.adata.obs_names)
    assert list(first.adata.obs_names) != list(other.adata.obs_names)


def test_log_normalised_files_need_no_special_case(study_file, counts_adata):
    genes = GeneTable(
        *(tuple(counts_adata.var_names), tuple(counts_adata.var["gene_ids"])),
        aliases=((),) * counts_adata.n_vars,
    )
    raw = counts_adata.X.toarray()
    counts_adata.X = csr_matrix(np.log1p(raw / raw.sum(1, keepdims=True) * 1e4))
    counts_adata.write_h5ad(study_file)
    study = read_study(study_file, max_cells=100, seed=0)
    query = read_query(study, genes)
    assert study.counts == "lognorm"
    assert query.measured.all()
    assert query.counts.sum(axis=1) == pytest.approx(1e4, rel=1e-4)


def test_columns_that_are_missing_are_named(counts_adata, tmp_path):
    counts_adata.write_h5ad(tmp_path / "bare.h5ad")
    with pytest.raises(ValueError, match=r"bare.h5ad has no `obs` column 'cell_type'"):
        read_study(tmp_path / "bare.h5ad", max_cells=10, seed=0)


def test_only_a_term_that_means_the_label_is_asked_for():
    asked = what_to_ask(
        ["B cell", "tumour macrophage", "odd", "fat cell", "adipocyte"],
        ["CL:0000236", "CL:0000235", "", "CL:0000136", "CL:0000136"],
        ["exact", "broader", "none", "exact", "exact"],
    )
    assert asked == ("CL:0000236", "tumour macrophage", "odd", "fat cell", "adipocyte")
