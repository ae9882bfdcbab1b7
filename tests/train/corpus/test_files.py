from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import issparse

from scmmgpt_tl.train.corpus.cells import as_categorical, donor_names
from scmmgpt_tl.train.corpus.files import open_cells, read_cells

NAMES = ("rows.h5ad", "chunks.zarr", "dense.h5ad", "columns.h5ad")


@pytest.fixture(params=NAMES)
def path(request, stores):
    return stores / request.param


@pytest.fixture
def typed(adata):
    """Cells that have a type."""
    return adata[adata.obs["cell_type_id"] != ""]


def test_rows_are_read_in_any_order(path, typed, gene_table):
    cells = open_cells(path, gene_table)
    assert not cells.in_memory
    assert cells.counts.shape == typed.shape
    rows = np.random.default_rng(0).permutation(len(cells.terms))[:150]
    np.testing.assert_array_equal(cells.counts[rows].toarray(), typed.X[rows].toarray())


def test_all_cells_at_once(path, typed, gene_table):
    cells = read_cells(path, gene_table)
    assert cells.in_memory
    assert issparse(cells.counts)
    assert cells.counts.dtype == np.float32
    np.testing.assert_array_equal(cells.counts.toarray(), typed.X.toarray())


def test_labels_come_along(path, typed, gene_table):
    cells = open_cells(path, gene_table)
    for found, column in (
        (cells.terms, "cell_type_id"),
        (cells.tissues, "tissue"),
        (cells.donors, "donor"),
    ):
        assert list(found) == list(typed.obs[column].astype(str))
    assert (cells.study, cells.source) == (path.stem, path.name)
    assert cells.cited == "Somebody et al. 2020, GSE1"
    assert donor_names(cells.donors) == {"Ada", "Ben", "7"}


def test_size_in_memory(path, adata, gene_table):
    n_values = adata.X.size if path.stem != "dense" else np.prod(adata.shape)
    expected = 8 * n_values * 300 / 400
    assert open_cells(path, gene_table).counts.n_bytes == pytest.approx(expected, rel=0.01)


def test_columns_may_be_named_as_in_cellxgene(adata, gene_table, tmp_path):
    names = {"cell_type_id": "cell_type_ontology_term_id", "donor": "donor_id"}
    other = adata.copy()
    other.obs = adata.obs.rename(columns=names)
    other.write_h5ad(tmp_path / "other.h5ad")
    cells = open_cells(tmp_path / "other.h5ad", gene_table)
    assert set(cells.terms) == {"CL:0000084", "CL:0000236", "CL:0000182"}
    assert set(cells.donors) == {"Ada", "Ben", "unknown", "7"}


def test_donors_may_be_unknown(adata, gene_table, tmp_path):
    other = adata.copy()
    del other.obs["donor"]
    other.write_h5ad(tmp_path / "other.h5ad")
    assert set(open_cells(tmp_path / "other.h5ad", gene_table).donors) == {""}


def test_a_missing_column_is_named(adata, gene_table, tmp_path):
    other = adata.copy()
    del other.obs["tissue"]
    other.write_h5ad(tmp_path / "other.h5ad")
    with pytest.raises(ValueError, match=r"'other.h5ad' has no `obs\[\"tissue\"\]`. Add it"):
        open_cells(tmp_path / "other.h5ad", gene_table)


@pytest.mark.parametrize("dense", [False, True])
def test_what_is_not_counts_is_refused(adata, gene_table, tmp_path, dense):
    other = adata.copy()
    other.X = np.log1p(adata.X.toarray()) if dense else adata.X.log1p()
    other.write_h5ad(tmp_path / "other.h5ad")
    with pytest.raises(ValueError, match=r"`X` of 'other.h5ad' must hold counts, found 0.69"):
        open_cells(tmp_path / "other.h5ad", gene_table)


def test_missing_labels_are_empty_texts():
    values = np.array(["a", None, 3, "3", np.nan], dtype=object)
    assert list(as_categorical(values)) == ["a", "", "3", "3", ""]
