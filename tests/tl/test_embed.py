from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm


@pytest.fixture
def embedded(counts_adata, tiny_model):
    scmm.tl.embed(counts_adata, model=tiny_model)
    return counts_adata


def test_unit_rows(embedded, tiny_model):
    found = embedded.obsm["X_scmm"]
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    rows = csr_matrix(embedded[:, list(tiny_model.genes.symbols)].X)
    np.testing.assert_allclose(found, tiny_model.encode_cells(rows).cell.numpy(), atol=1e-5)


def test_neighbours_take_it(embedded):
    sc.pp.neighbors(embedded, use_rep="X_scmm", n_neighbors=5)
    assert embedded.obsp["connectivities"].shape == (60, 60)
    assert embedded.uns["X_scmm"]["genes"]["n_matched"] == 300
