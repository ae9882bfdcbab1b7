"""Pictures of networks of genes."""

from __future__ import annotations

import pandas as pd
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl.pl._gene_network import gene_network_data, order_genes


@pytest.fixture
def tied(adata):
    edges = pd.DataFrame(
        {
            "group": ["0", "0", "0", "1"],
            "rank": [1, 2, 3, 1],
            "gene": ["CD3D", "CD3D", "LYZ", "MS4A1"],
            "other": ["CD3E", "LYZ", "CST3", "CD79A"],
            "correlation": [0.9, -0.5, 0.2, 0.7],
            "coexpression": [0.4, -0.2, 0.1, 0.3],
        }
    )
    genes = pd.DataFrame(
        {
            "group": ["0"] * 4 + ["1"] * 2 + ["2"],
            "gene": ["CD3D", "CD3E", "LYZ", "CST3", "MS4A1", "CD79A", "IL7R"],
            "attribution": [1.0, 0.5, -0.5, -0.1, 0.4, 0.3, 0.2],
        }
    )
    overview = pd.DataFrame(
        {
            "group": ["0", "1", "2"],
            "label": ["T cell worth $5 or $10", "1", "T cell"],
            "against": ["B cell", "T cell", "B cell"],
        }
    )
    adata.uns["scmm_gene_network"] = {"edges": edges, "genes": genes, "overview": overview}
    return adata


def test_strongest_ties_of_each_group(tied):
    first, second, empty = gene_network_data(tied, key="scmm_gene_network", groups=None, n_edges=2)
    assert first.edges["other"].tolist() == ["CD3E", "LYZ"]
    assert list(first.attribution.index) == ["CD3D", "CD3E", "LYZ"]
    assert first.title == "0: T cell worth $5 or $10\nagainst B cell"
    assert second.title == "1\nagainst T cell"
    assert len(empty.edges) == 0


def test_genes_with_strong_ties_stand_side_by_side():
    pairs = {"gene": ["a", "b", "a", "c"], "other": ["c", "d", "b", "e"]}
    edges = pd.DataFrame({**pairs, "correlation": [0.9, -0.8, 0.1, 0.05]})
    order = order_genes(edges)
    assert sorted(order) == list("abcde")
    assert abs(order.index("a") - order.index("c")) == 1
    assert abs(order.index("b") - order.index("d")) == 1
    assert order_genes(edges[:1]) == ["a", "c"]
    assert order_genes(edges[:0]) == []


def test_picture(tied):
    axes = scmm.pl.gene_network(tied, show=False)
    assert [len(ax.lines) for ax in axes] == [3, 1, 0]
    assert [line.get_linestyle() for line in axes[0].lines] == ["-", ":", "-"]
    assert {text.get_text() for text in axes[0].texts} == {"CD3D", "CD3E", "LYZ", "CST3"}
    assert axes[2].texts[0].get_text() == "no ties"
    figure = scmm.pl.gene_network(tied, groups="1", return_fig=True)
    assert len(figure.axes) == 1


def test_missing(tied):
    with pytest.raises(ValueError, match="No genes of a group 'x' are tied .* but of '0', '1'"):
        scmm.pl.gene_network(tied, groups=["x"])
    with pytest.raises(ValueError, match="Run `scmm.tl.gene_network` first"):
        scmm.pl.gene_network(tied, key="other")
