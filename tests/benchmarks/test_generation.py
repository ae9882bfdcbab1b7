from __future__ import annotations

import generation
import numpy as np
import pandas as pd
import pytest
from _cells_of_terms import FromProfiles, FromVae, fit_vae, stand_ins
from _realism import NEIGHBOURS, score_realism
from scipy import sparse

MONOCYTE, CLASSICAL, NON_CLASSICAL = "CL:0000576", "CL:0000860", "CL:0000875"


def test_stand_ins_are_the_term_or_those_below_or_around_it():
    assert stand_ins(CLASSICAL, {CLASSICAL, NON_CLASSICAL}) == {CLASSICAL}
    assert stand_ins(MONOCYTE, {CLASSICAL, NON_CLASSICAL, "CL:0000236"}) == {
        CLASSICAL,
        NON_CLASSICAL,
    }
    assert stand_ins(CLASSICAL, {NON_CLASSICAL, "CL:0000236"}) == {NON_CLASSICAL}


def cells(seed, *, shift=0):
    """Forty cells of each of three types over 90 genes, thirty of which are each type's own."""
    rng = np.random.default_rng(seed)
    kinds = {}
    for i, name in enumerate("abc"):
        rate = np.full(90, 0.5)
        rate[30 * ((i + shift) % 3) : 30 * ((i + shift) % 3) + 30] = np.linspace(2, 8, 30)
        kinds[name] = rng.poisson(rate, size=(40, 90)).astype(float)
    return kinds


def test_cells_like_the_real_ones_score_high_and_others_low():
    good = score_realism(cells(0), cells(1), seed=0)
    bad = score_realism(cells(0), cells(1, shift=1), seed=0)
    assert all(good[f"knn_{k}"] > 0.95 for k in NEIGHBOURS)
    assert all(bad[f"knn_{k}"] < 0.1 for k in NEIGHBOURS)
    assert abs(good["mmd"]) < 0.02 < bad["mmd"]
    assert good["mean"] > 0.9 > bad["mean"]
    assert good["change"] > 0.9
    assert bad["change"] < 0
    assert good["overlap"] > 0.5 > bad["overlap"]


def test_halves_share_no_cell():
    counts = np.arange(40.0)[:, None]
    terms = np.array(["x"] * 21 + ["y"] * 10 + ["z"] * 4 + [""] * 5)
    tested, others = generation.halves(terms, counts, seed=0)
    assert list(tested) == list(others) == ["x", "y"]
    assert {len(tested["x"]), len(others["x"])} == {10, 11}
    assert not set(tested["x"].ravel()) & set(others["x"].ravel())
    assert set(tested["y"].ravel()) | set(others["y"].ravel()) == set(range(21, 31))


def test_the_mean_profile_is_that_of_the_profiles_that_measured_a_gene():
    reference = pytest.importorskip("scmmgpt_tl.train.reference")
    profiles = reference.Profiles(
        shares=np.array([[0.5, 0.3, 0.2], [0.6, 0.4, 0.0], [0, 0, 1]], dtype=np.float32),
        panel=np.array([0, 1, 0]),
        panels=np.array([[True, True, True], [True, True, False]]),
        terms=(CLASSICAL, CLASSICAL, "CL:0000236"),
        tissues=("", "", ""),
        studies=("a", "b", "a"),
    )
    method = FromProfiles(profiles, np.array([2, 0]))
    made = method.generate(CLASSICAL, np.full(3000, 100.0), np.random.default_rng(0))
    # Shares of 0.2 and 0.55 among the two genes.
    np.testing.assert_allclose(made.mean(0), [100 * 0.2 / 0.75, 100 * 0.55 / 0.75], rtol=0.02)


def test_the_autoencoder_learns_what_its_types_express():
    pytest.importorskip("scvi")
    from _material import Training

    from scmmgpt_tl.model.genes import GeneTable

    rng = np.random.default_rng(0)
    rate = np.ones((2, 20))
    rate[0, :10] += 20
    rate[1, 10:] += 20
    term = np.repeat([0, 1], 150)
    genes = GeneTable(tuple(f"G{i}" for i in range(20)), tuple(map(str, range(20))), ((),) * 20)
    expression = sparse.csr_matrix(rng.poisson(rate[term]).astype(np.float32))
    training = Training(expression, term, (CLASSICAL, "CL:0000236"), genes)
    method = fit_vae(training, np.arange(5, 15), epochs=30, seed=0)
    assert isinstance(method, FromVae)
    made = method.generate("CL:0000236", np.full(200, 100.0), rng)
    assert made.shape == (200, 10)
    assert made[:, 5:].sum() > 3 * made[:, :5].sum()
    assert made.sum(1).mean() == pytest.approx(100, rel=0.15)


def test_training_cells_that_were_drawn_before_are_used_again(options, bench_folder, tiny_model):
    from _material import Training

    genes = tiny_model.genes
    cells = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (6, len(genes))), dtype=float)
    drawn = Training(cells, np.repeat([0, 1], 3), (CLASSICAL, "CL:0000236"), genes)
    drawn.save(bench_folder / "out" / "training_cells")
    # There is no such run: whoever draws anew has to read it.
    arguments = [*options, "--methods", "vae", "--config", str(bench_folder / "none.yaml")]
    given = generation.read_arguments([*arguments, "--reuse"])
    material, training = generation.read_sources(given, tiny_model)
    assert material is None
    assert training.types == drawn.types
    np.testing.assert_array_equal(training.expression.toarray(), cells.toarray())
    with pytest.raises(FileNotFoundError, match=r"none.yaml"):
        generation.read_sources(generation.read_arguments(arguments), tiny_model)


def test_runs(options, bench_folder):
    generation.main([*options, "--methods", "scmmgpt", "real", "--n-generated", "8"])
    found = pd.read_csv(bench_folder / "out" / "generation.csv").set_index("method")
    assert list(found.index) == ["scmmgpt", "real"]
    assert (found["types"] == 2).all()
    # The clusters of the data set have markers of their own.
    assert found.loc["real", "knn_5"] > 0.9
    assert found.loc["real", "change"] > 0.2 > found.loc["scmmgpt", "change"]
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "old generation" not in page
    assert "| scmmgpt-tl |" in page
    assert (bench_folder / "docs" / "_static" / "benchmark_generation.png").exists()
