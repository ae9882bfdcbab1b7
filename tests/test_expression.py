from __future__ import annotations

import numpy as np
import scanpy as sc
from anndata import AnnData
from scipy import sparse

from scmmgpt_tl._expression import log_expression


def test_log_expression_is_that_of_scanpy():
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(0.5, (6, 40)).astype(np.float32))
    adata = AnnData(counts.astype(np.float64))
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    found = log_expression(counts)
    np.testing.assert_allclose(found.toarray(), adata.X.toarray(), rtol=1e-12)
    assert found.dtype == np.float64


def test_empty_cells_stay_empty():
    found = log_expression(sparse.csr_matrix([[0.0, 0.0], [1.0, 3.0]]))
    np.testing.assert_allclose(found.toarray(), [[0, 0], np.log1p([2500, 7500])])
