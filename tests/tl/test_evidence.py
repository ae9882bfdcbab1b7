from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from scmmgpt_tl.tl._writing.evidence import group_levels, top_genes, top_terms


def test_group_levels_against_dense():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.5, (90, 12)).astype(np.float32)
    counts[4] = 0
    codes = rng.integers(-1, 3, 90)
    blocks = (csr_matrix(counts[i : i + 25]) for i in range(0, 90, 25))
    inside, outside = group_levels(blocks, codes, 3)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    logged = np.log1p(counts / totals * 1e4)
    for group in range(3):
        np.testing.assert_allclose(inside[group], logged[codes == group].mean(axis=0), rtol=1e-6)
        rest = (codes != group) & (codes >= 0)
        np.testing.assert_allclose(outside[group], logged[rest].mean(axis=0), rtol=1e-6)


def test_one_group_has_nothing_outside():
    inside, outside = group_levels([csr_matrix([[1.0, 0.0]])], np.array([0]), 1)
    assert inside.tolist() == [[pytest.approx(np.log1p(1e4)), 0]]
    assert outside.tolist() == [[0, 0]]


def test_no_cells():
    inside, outside = group_levels([], np.array([], dtype=int), 2)
    assert inside.shape == outside.shape == (2, 0)


def test_specific_genes_first_and_untelling_ones_last():
    symbols = ["MT-CO1", "RPL13", "CD3D", "ACTB", "CD8A", "LINC00861", "QUIET"]
    inside = np.array([[9.0, 8.0, 2.0, 7.0, 3.0, 5.0, 0.0]])
    outside = np.array([[1.0, 1.0, 0.0, 6.0, 0.0, 0.0, 0.0]])
    # strengths: CD8A 3, CD3D 2, ACTB 1 * 7/13; then MT-CO1 8 * 9/10, RPL13, LINC00861
    expected = ("CD8A", "CD3D", "ACTB", "MT-CO1", "RPL13", "LINC00861")
    assert top_genes(inside, outside, symbols) == [expected]
    assert top_genes(inside, outside, symbols, n=2) == [("CD8A", "CD3D")]


@pytest.mark.parametrize(
    "symbol", ["MT-ND1", "RPS4X", "RPLP0", "MALAT1", "AC012345.2", "LINC01", "FOXP3-AS1", "ENSG01"]
)
def test_untelling(symbol):
    levels = np.array([[5.0, 1.0]])
    assert top_genes(levels, 0 * levels, [symbol, "CD4"], n=1) == [("CD4",)]


@pytest.mark.parametrize("symbol", ["HLA-DRA", "MS4A1", "C1QA", "NKG7", "RPE65", "MTOR", "ACTA2"])
def test_telling(symbol):
    levels = np.array([[5.0, 1.0]])
    assert top_genes(levels, 0 * levels, [symbol, "CD4"], n=1) == [(symbol,)]


def test_top_terms():
    p = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]])
    assert top_terms(p, ["B cell", "T, odd", "NK"], n=2) == [
        "T, odd (0.70); NK (0.20)",
        "B cell (0.50); T, odd (0.50)",
    ]
