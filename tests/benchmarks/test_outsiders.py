from __future__ import annotations

import numpy as np
import pytest
from _data import read_query, read_study
from _outsiders import EMPTY_DEPTH, doublets, empty_droplets
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.genes import GeneTable

T_CELL, CD4, B_CELL = "CL:0000084", "CL:0000624", "CL:0000236"


def test_a_doublet_is_the_sum_of_two_cells_of_types_apart():
    # One gene a cell: the sum says which two it is of.
    found = doublets(
        csr_matrix(np.eye(5)),
        [T_CELL, CD4, B_CELL, "", B_CELL],
        n=50,
        rng=np.random.default_rng(0),
    ).toarray()
    pairs = {tuple(np.flatnonzero(row)) for row in found}
    assert pairs == {(0, 2), (1, 2), (0, 4), (1, 4)}


def test_cells_of_one_line_make_no_doublet():
    found = doublets(csr_matrix(np.eye(2)), [T_CELL, CD4], n=5, rng=np.random.default_rng(0))
    assert found.shape == (0, 2)


@pytest.mark.parametrize("scale", [1.0, 0.37], ids=["counts", "normalised"])
def test_empty_droplets_hold_little_of_everything(scale):
    counts = np.random.default_rng(0).poisson(np.tile([1.0, 5.0, 0], (40, 20)))
    found = empty_droplets(csr_matrix(counts * scale), n=200, rng=np.random.default_rng(1))
    depth = np.median(counts.sum(1))
    total = found.toarray().sum(1)
    if scale == 1.0:
        low, high = (share * depth for share in EMPTY_DEPTH)
        assert ((total >= low - 1) & (total <= high)).all()
    else:
        np.testing.assert_allclose(total, depth * scale, rtol=1e-5)
    shares = found.toarray().reshape(200, 20, 3).sum((0, 1)) / found.sum()
    np.testing.assert_allclose(shares, [1 / 6, 5 / 6, 0], atol=0.02)


@pytest.mark.parametrize("logged", [False, True])
def test_droplets_are_added_in_the_unit_of_the_file(bench_folder, counts_adata, logged):
    path = bench_folder / "data" / "tiny_study.h5ad"
    if logged:
        raw = counts_adata.X.toarray()
        counts_adata.X = csr_matrix(np.log1p(raw / raw.sum(1, keepdims=True) * 1e4))
        counts_adata.write_h5ad(path)
    study = read_study(path, max_cells=60, seed=0, outsiders=0.2)
    assert study.made.tolist() == [""] * 60 + ["doublet"] * 12 + ["empty"] * 12
    assert (study.truth[60:] == -1).all()
    assert study.terms()[60:].tolist() == [""] * 24
    assert study.counts == ("lognorm" if logged else "auto")
    names = tuple(counts_adata.var_names)
    genes = GeneTable(names, tuple(counts_adata.var["gene_ids"]), aliases=((),) * len(names))
    total = np.asarray(read_query(study, genes).counts.sum(axis=1)).ravel()
    cells, pairs, empty = total[:60], total[60:72], total[72:]
    assert np.median(pairs) == pytest.approx(2 * np.median(cells), rel=0.2)
    expected = np.median(cells) * (1 if logged else np.mean(EMPTY_DEPTH))
    assert np.median(empty) == pytest.approx(expected, rel=0.5)
