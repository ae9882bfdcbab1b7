from __future__ import annotations

import gene_network
import numpy as np
import pandas as pd
import pytest


def test_pairs_in_the_right_order():
    right = np.arange(40) < 12
    found = gene_network.rank_pairs(right, -np.arange(40.0))
    assert found["auroc"] == found["aupr"] == 1
    assert found["precision"] == pytest.approx(12 / 40)
    assert found["prevalence"] == 0.3
    assert gene_network.rank_pairs(right, np.arange(40.0))["auroc"] == 0


@pytest.mark.parametrize("n", [0, 9, 40])
def test_too_few_or_all_have_no_score(n):
    assert np.isnan(gene_network.rank_pairs(np.arange(40) < n, np.arange(40.0))["auroc"])


def test_gene_network_runs(options, bench_folder, go_folder, monkeypatch):
    monkeypatch.setattr(gene_network, "FEWEST_CELLS", 10)
    markers = bench_folder / "markers.csv"
    genes = {"CL:0000084": ["CD3D", "CD3E", "CD3G", "IL7R", "TRAC"]}
    rows = [("Human", key, gene, "positive", 2) for key, g in genes.items() for gene in g]
    columns = ["species", "cell_type_id", "marker", "marker_type", "evidence_global"]
    pd.DataFrame(rows, columns=columns).to_csv(markers, index=False)
    gene_network.main([*options, "--go", str(go_folder), "--markers", str(markers)])
    found = pd.read_csv(bench_folder / "out" / "gene_network.csv")
    assert set(found["method"]) == set(gene_network.NAMES)
    assert set(found["truth"]) == {gene_network.PROCESS, gene_network.TYPE}
    of_terms = found[found["truth"] == gene_network.PROCESS]
    # Eighteen genes have a term, and six of them two: 66 pairs of each, 15 of both.
    assert (of_terms["pairs"] <= 18 * 17 / 2).all()
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "old gene_network" not in page
    assert "co-expression in the same cells" in page
