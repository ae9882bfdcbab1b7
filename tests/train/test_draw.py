from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.encoders.geneset import GeneSetTokenizer
from scmmgpt_tl.train.draw import CellSource, average_cell
from scmmgpt_tl.train.rates import log_normalise


@pytest.fixture(scope="module")
def batch(material):
    return material.source.draw(400, np.random.default_rng(0))


def alone(material, batch):
    """Which cells are of a type that is known by its markers alone."""
    return np.array(material.n_profiles)[batch.term] == 0


def test_shapes(material, batch):
    assert batch.values.shape == batch.measured.shape == (400, len(material.genes))
    assert batch.values.dtype == np.float32
    assert batch.term.shape == batch.profile.shape == (400,)


def test_rows_are_unit_vectors(batch):
    np.testing.assert_allclose(np.linalg.norm(batch.values, axis=1), 1, atol=1e-5)
    assert (batch.values >= 0).all()


def test_only_measured_genes_are_expressed(material, batch):
    assert not batch.values[~batch.measured].any()
    drawn = batch.profile >= 0
    real = ~drawn & ~alone(material, batch)
    panels = material.profiles.panels[material.profiles.panel[batch.profile[drawn]]]
    assert not (batch.measured[drawn] & ~panels).any()
    assert not (batch.measured[real] & ~material.cells[0].measured).any()


def test_cells_are_of_the_type_of_their_profile(material, batch):
    for term, profile in zip(batch.term, batch.profile, strict=True):
        if profile >= 0:
            assert material.types[term] == material.profiles.terms[profile]


def test_types_are_balanced(material):
    # Five types have two profiles, T cells and B cells three: nobody is rare.
    drawn = material.source.draw(3000, np.random.default_rng(1)).term
    share = np.bincount(drawn, minlength=len(material.types)) / 3000
    assert share[np.array(material.n_profiles) > 0].min() > 0.5 / len(material.types)


def test_share_of_real_cells(material, batch):
    real = (batch.profile < 0) & ~alone(material, batch)
    assert abs(real.mean() - 0.25) < 0.08
    none = CellSource(material.profiles, material.cells, types=material.types, real_share=0.0)
    assert (none.draw(50, np.random.default_rng(0)).profile >= 0).all()


def test_share_of_cells_of_another_species(material):
    profiles = material.profiles
    foreign = replace(profiles, shares=np.roll(profiles.shares, 40, axis=1))
    source = CellSource(
        profiles,
        (),
        types=material.types,
        real_share=0.0,
        orthologs=foreign,
        ortholog_share=0.4,
    )
    drawn = source.draw(300, np.random.default_rng(0))
    theirs = drawn.profile < 0
    assert abs(theirs.mean() - 0.4) < 0.08
    # Each group expresses what the profiles of its species do.
    for chosen, near, far in ((~theirs, profiles, foreign), (theirs, foreign, profiles)):
        mean = drawn.values[chosen].mean(0)
        alike, unlike = (
            np.corrcoef(mean, log_normalise(part.shares.mean(0, keepdims=True) * 3000)[0])[0, 1]
            for part in (near, far)
        )
        assert alike > unlike + 0.1


def test_types_that_another_species_alone_shows_are_drawn(material):
    profiles = material.profiles
    foreign = replace(profiles, terms=tuple("CL:0000786" for _ in profiles.terms))
    source = CellSource(
        profiles,
        (),
        types=(*sorted(set(profiles.terms)), "CL:0000786"),
        real_share=0.0,
        orthologs=foreign,
        ortholog_share=0.5,
    )
    drawn = source.draw(200, np.random.default_rng(0))
    assert set(drawn.term[drawn.profile < 0]) == {len(source.types) - 1}


def test_a_seed_decides_everything(material):
    first, again, other = (
        material.source.draw(20, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    for name in ("values", "measured", "term", "profile"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.values, other.values)


def test_the_generator_moves_on(material):
    rng = np.random.default_rng(0)
    first, second = (material.source.draw(8, rng) for _ in range(2))
    assert not np.array_equal(first.values, second.values)


def test_drawing_leaves_numpys_global_generator_alone(material):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    material.source.draw(8, np.random.default_rng(0))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_the_mean_of_many_cells_looks_like_the_profile(material):
    profiles = material.profiles
    one = replace(
        profiles,
        shares=profiles.shares[:1],
        panel=profiles.panel[:1],
        terms=profiles.terms[:1],
        tissues=profiles.tissues[:1],
        studies=profiles.studies[:1],
    )
    source = CellSource(one, (), types=one.terms, real_share=0.0)
    mean = source.draw(600, np.random.default_rng(0)).values.mean(0)
    expected = log_normalise(profiles.shares[:1] * 3000)[0]
    other = log_normalise(profiles.shares[3:4] * 3000)[0]
    found = np.corrcoef(mean, expected)[0, 1]
    assert found > 0.9
    assert found > np.corrcoef(mean, other)[0, 1] + 0.05


def test_real_cells_are_thinned_and_never_invented(material):
    source = CellSource(material.profiles, material.cells, types=material.types, real_share=1.0)
    batch = source.draw(30, np.random.default_rng(0))
    cells = material.cells[0]
    expressed = {term: cells.counts[[t == term for t in cells.terms]] for term in set(cells.terms)}
    assert (batch.profile == -1).all()
    for values, term in zip(batch.values, batch.term, strict=True):
        own = expressed[material.types[term]] > 0
        inside = own @ (values > 0).astype(int)
        assert inside.max() == (values > 0).sum()


def test_dense_values_are_those_of_the_tokenizer():
    counts = np.random.default_rng(0).poisson(0.5, (9, 40)).astype(np.float32)
    counts[4] = 0
    tokens = GeneSetTokenizer()(csr_matrix(counts))
    dense = np.zeros_like(counts)
    dense[np.repeat(np.arange(9), np.diff(tokens.offsets)), tokens.gene_ids] = tokens.values
    np.testing.assert_allclose(log_normalise(counts), dense, atol=1e-6)


def test_average_cell_is_the_mean_over_types_of_wide_profiles(material):
    profiles = material.profiles
    measured = profiles.panels[profiles.panel]
    wide = measured.mean(1) > 0.5
    total = np.zeros(len(material.genes))
    for g in range(len(material.genes)):
        of_type = []
        for term in sorted({t for t, w in zip(profiles.terms, wide, strict=True) if w}):
            own = [
                profiles.shares[i, g]
                for i, t in enumerate(profiles.terms)
                if t == term and wide[i] and measured[i, g]
            ]
            if own:
                of_type.append(np.mean(own))
        total[g] = np.mean(of_type) if of_type else 0
    np.testing.assert_allclose(average_cell(profiles), total / total.sum(), rtol=1e-4, atol=1e-7)
