"""What the model knows of genes."""

from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl import get, ontology
from scmmgpt_tl.model.gene_space import gene_vectors


@pytest.mark.parametrize("space", ["both", "cell", "type"])
def test_vectors_are_unit_rows_in_the_order_asked(default_model, space):
    asked = ["ENSG00000198851", "MS4A1", "LYZ"]
    found = get.gene_embedding(asked, space=space, model=default_model)
    assert found.obs_names.tolist() == asked
    assert found.obs["symbol"].tolist() == ["CD3E", "MS4A1", "LYZ"]
    np.testing.assert_allclose(np.linalg.norm(found.X, axis=1), 1, rtol=1e-5)
    places = [default_model.genes.by_symbol[name] for name in found.obs["symbol"]]
    np.testing.assert_array_equal(found.X, gene_vectors(default_model, space)[places])


def test_both_is_the_mean_of_the_cosines(default_model):
    both, cell, kind = (gene_vectors(default_model, space) for space in ("both", "cell", "type"))
    pair = [default_model.genes.by_symbol[name] for name in ("CD3E", "CD3D")]
    expected = np.mean([float(v[pair[0]] @ v[pair[1]]) for v in (cell, kind)])
    assert float(both[pair[0]] @ both[pair[1]]) == pytest.approx(expected, abs=1e-5)


def test_all_genes_by_default(tiny_model):
    found = get.gene_embedding(model=tiny_model)
    assert found.obs_names.tolist() == list(tiny_model.genes.symbols)


def test_gene_that_nothing_is_known_of_is_a_zero(tiny_model):
    # The tiny model remembers no types.
    assert not get.gene_embedding(["CD3E"], space="type", model=tiny_model).X.any()
    assert get.nearest_genes("CD3E", 3, space="type", model=tiny_model)["similarity"].eq(0).all()


def test_nearest_genes_by_brute_force(tiny_model):
    found = get.nearest_genes(["CD3E", "CD3D"], 5, space="cell", model=tiny_model)
    vectors = gene_vectors(tiny_model, "cell")
    asked = [tiny_model.genes.by_symbol[name] for name in ("CD3E", "CD3D")]
    mean = vectors[asked].mean(0)
    cosines = {
        symbol: float(vectors[i] @ mean / np.linalg.norm(mean))
        for i, symbol in enumerate(tiny_model.genes.symbols)
        if i not in asked
    }
    best = sorted(cosines, key=cosines.__getitem__, reverse=True)[:5]
    assert found["gene"].tolist() == best
    np.testing.assert_allclose(found["similarity"], [cosines[name] for name in best], atol=1e-5)


def test_more_genes_than_there_are(tiny_model):
    found = get.nearest_genes("CD3E", 10_000, model=tiny_model)
    assert len(found) == len(tiny_model.genes) - 1
    assert np.isfinite(found["similarity"]).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("antigen presentation", {"HLA-B", "HLA-C", "HLA-DQA1", "TAP2", "CTSL", "CTSV", "MICA"}),
        ("DNA repair", {"RAD51", "XRCC4", "ERCC1", "XPC", "MSH2", "BRCA1", "PARP1"}),
        ("plasma cell", {"JCHAIN", "MZB1", "IGHG1", "IGKC", "TNFRSF17"}),
    ],
)
def test_genes_of_what_everybody_knows(default_model, text, expected):
    found = set(get.genes_of(text, 100, model=default_model)["gene"])
    assert len(found & expected) >= 3


def test_a_cell_type_is_sought_by_its_expression_and_all_else_by_description(default_model):
    assert ontology.load().resolve("plasma cells")
    for text, by in (("plasma cells", "expression"), ("antigen presentation", "description")):
        own, asked = (get.genes_of(text, 9, by=way, model=default_model) for way in (None, by))
        assert own.equals(asked)
        assert own["score"].is_monotonic_decreasing


def test_expression_is_how_far_the_text_raises_a_gene(default_model):
    text = "glowing one"
    found = get.genes_of(text, 300, by="expression", model=default_model).set_index("gene")["score"]
    level = default_model.network.expression_decoder.level.numpy()
    raised = np.log(default_model.generate_expression([text])[0]) - level
    expected = dict(zip(default_model.genes.symbols, raised - raised.mean(), strict=True))
    np.testing.assert_allclose(found, [expected[gene] for gene in found.index], atol=1e-4)
    assert found.min() > np.median(list(expected.values()))


def test_descriptions_are_those_of_the_model_that_ships(tiny_model):
    with pytest.raises(ValueError, match=r"read by the model that ships, not by 'tiny'"):
        get.genes_of("antigen presentation", model=tiny_model)


@pytest.mark.parametrize(
    ("text", "options", "error", "match"),
    [
        (3, {}, TypeError, "`text` must be a string, not int"),
        (" ", {}, ValueError, "`text` is empty"),
        ("x", {"by": "name"}, ValueError, "`by` must be one of"),
        ("x", {"n_genes": 0}, ValueError, "`n_genes` must be at least 1, not 0"),
    ],
)
def test_bad_questions(tiny_model, text, options, error, match):
    with pytest.raises(error, match=match):
        get.genes_of(text, model=tiny_model, **options)


def test_bad_genes(tiny_model):
    with pytest.raises(ValueError, match="`space` must be one of"):
        get.nearest_genes("CD3E", space="gene", model=tiny_model)
    with pytest.raises(ValueError, match="holds none that the model knows"):
        get.nearest_genes("NOGENE", model=tiny_model)
    with pytest.raises(ValueError, match="`n_genes` must be at least 1"):
        get.nearest_genes("CD3E", 0, model=tiny_model)
    with pytest.raises(TypeError, match="must be a list of names"):
        get.gene_embedding("CD3E", model=tiny_model)
