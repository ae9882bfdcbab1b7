from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl.tl._perturbation.perturbations import (
    find_genes,
    parts_of,
    perturbation_features,
    read_perturbations,
)


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("KLF1", {"KLF1": ("KLF1",)}),
        ("interferon beta", {"interferon beta": ("interferon beta",)}),
        (["A", "B"], {"A+B": ("A", "B")}),
        ("A + B", {"A+B": ("A", "B")}),
        ({"x": "A", "y": ["B", "C"]}, {"x": ("A",), "y": ("B", "C")}),
    ],
)
def test_what_is_asked_for(what, found):
    assert read_perturbations(what) == found


def test_parts():
    assert parts_of("A+ B") == ("A", "B")
    assert parts_of("IL2+") == ("IL2",)
    assert parts_of("+") == ("+",)


def test_genes_are_found_by_any_of_their_names(tiny_model):
    genes = tiny_model.genes
    names = [genes.symbols[3], genes.ensembl_ids[5]]
    np.testing.assert_array_equal(find_genes(names, genes), [3, 5])
    assert find_genes([genes.symbols[3], "interferon beta"], genes) is None


def test_features(tiny_model):
    symbols = tiny_model.genes.symbols
    one, two = symbols[:2]
    found = perturbation_features([(one,), (two,), (one, two)], tiny_model)
    assert set(found) == {"words", "genes"}
    for values in found.values():
        np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, rtol=1e-5)
        middle = values[0] + values[1]
        np.testing.assert_allclose(values[2], middle / np.linalg.norm(middle), atol=1e-5)
    np.testing.assert_allclose(found["words"][:2], tiny_model.embed_text([one, two]), atol=1e-5)
    vector = tiny_model.network.cell_encoder.genes.weight[0].detach().numpy()
    np.testing.assert_allclose(found["genes"][0], vector / np.linalg.norm(vector), atol=1e-5)
    # Words have no vector of a gene.
    assert set(perturbation_features([(one,), ("interferon beta",)], tiny_model)) == {"words"}
