from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.sampling import draw_counts
from scmmgpt_tl.train.sampling import gene_dispersions, measure_sampling

DEPTH, SPREAD, DISPERSION = 900.0, 0.4, 0.5


@pytest.fixture
def shares(gene_table):
    level = np.random.default_rng(5).gamma(0.6, 1.0, len(gene_table))
    return level / level.sum()


def write(path, gene_table, shares, *, genes, typed=True, seed=0):
    """400 cells of two types whose genes differ, over the first so many genes."""
    rng = np.random.default_rng(seed)
    size = DEPTH * np.exp(SPREAD * rng.standard_normal(400))
    counts = [
        draw_counts(kind, part, rng, dispersion=DISPERSION).toarray()
        for kind, part in zip((shares, np.roll(shares, 1)), (size[:200], size[200:]), strict=True)
    ]
    obs = pd.DataFrame(index=[f"c{i}" for i in range(400)])
    if typed:
        obs["cell_type_id"] = np.repeat(["CL:0000084", "CL:0000236"], 200)
    AnnData(
        csr_matrix(np.concatenate(counts)[:, :genes]),
        obs=obs,
        var=pd.DataFrame(index=list(gene_table.symbols[:genes])),
    ).write_h5ad(path)
    return path


def test_finds_what_counts_were_drawn_with(tmp_path, gene_table, shares):
    whole = write(tmp_path / "whole.h5ad", gene_table, shares, genes=300)
    part = write(tmp_path / "part.h5ad", gene_table, shares, genes=150, typed=False, seed=1)
    average = (shares + np.roll(shares, 1)) / 2
    found = measure_sampling([whole, part], gene_table, average)
    assert found.depth == pytest.approx(DEPTH, rel=0.1)
    assert found.depth_spread == pytest.approx(SPREAD, rel=0.15)
    assert found.dispersion == pytest.approx(DISPERSION, rel=0.15)
    assert found.fitted_on == ("whole", "part")


def test_poisson_counts_have_no_dispersion(shares):
    rng = np.random.default_rng(2)
    counts = draw_counts(shares, rng.uniform(300, 3000, 500), rng, dispersion=0)
    assert np.median(gene_dispersions(counts)) < 0.03


def test_types_are_needed(tmp_path, gene_table, shares):
    path = write(tmp_path / "untyped.h5ad", gene_table, shares, genes=300, typed=False)
    with pytest.raises(ValueError, match=r"No type of untyped.h5ad has 50 cells"):
        measure_sampling([path], gene_table, shares)
