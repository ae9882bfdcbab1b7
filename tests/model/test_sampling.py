from __future__ import annotations

import numpy as np
import pytest

from scmmgpt_tl.model.bundle import read_bundle
from scmmgpt_tl.model.sampling import MEASURED, Sampling, draw_counts

SHARES = np.array([0.5, 0.3, 0.15, 0.05])


@pytest.mark.parametrize("dispersion", [0.0, 0.5])
def test_counts_have_the_mean_and_the_variance_asked_for(dispersion):
    size = np.full(20_000, 40.0)
    counts = draw_counts(SHARES, size, np.random.default_rng(0), dispersion=dispersion).toarray()
    mean = 40 * SHARES
    np.testing.assert_allclose(counts.mean(0), mean, rtol=0.03)
    np.testing.assert_allclose(counts.var(0), mean + dispersion * mean**2, rtol=0.08)
    assert (counts == np.rint(counts)).all()


def test_sizes_are_those_of_the_cells():
    sizes = np.repeat([10.0, 1000.0], 500)
    counts = draw_counts(SHARES, sizes, np.random.default_rng(0), dispersion=0.1)
    total = np.asarray(counts.sum(1)).ravel()
    assert total[:500].mean() == pytest.approx(10, rel=0.1)
    assert total[500:].mean() == pytest.approx(1000, rel=0.05)


def test_a_gene_without_a_share_has_no_counts():
    counts = draw_counts(
        np.array([1.0, 0.0]), np.full(9, 50.0), np.random.default_rng(0), dispersion=1
    )
    assert counts[:, 1].sum() == 0
    assert draw_counts(SHARES, np.empty(0), np.random.default_rng(0), dispersion=1).shape == (0, 4)


def test_depths_are_log_normal():
    depths = Sampling(2000, 0.6, 0.3).depths(20_000, np.random.default_rng(0))
    assert np.median(depths) == pytest.approx(2000, rel=0.03)
    assert np.log(depths).std() == pytest.approx(0.6, rel=0.03)


def test_round_trip(tmp_path):
    sampling = Sampling(1234.5, 0.5, 0.25, ("a", "b"))
    sampling.write(tmp_path / "sampling.json")
    assert Sampling.read(tmp_path / "sampling.json") == sampling


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "Expecting property name"),
        ("[" * 100_000, "maximum recursion depth"),
        ('{"depth": 1}', "found the keys"),
        ('{"depth": 0, "depth_spread": 1, "dispersion": 1, "fitted_on": []}', "`depth` must be"),
    ],
)
def test_other_files_are_refused(tmp_path, text, what):
    (tmp_path / "sampling.json").write_text(text)
    with pytest.raises(ValueError, match=f"does not say how counts are drawn: {what}"):
        Sampling.read(tmp_path / "sampling.json")


@pytest.mark.parametrize("name", ["depth_spread", "dispersion"])
@pytest.mark.parametrize("value", [-0.1, float("nan")])
def test_impossible_numbers_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be 0 or more and finite"):
        Sampling(**({"depth": 1.0, "depth_spread": 0.0, "dispersion": 0.0} | {name: value}))


def test_bundles_say_how_counts_are_drawn(tiny_model, tiny_bundle, tmp_path):
    from dataclasses import replace

    assert read_bundle(tiny_bundle).sampling == tiny_model.sampling == MEASURED
    own = Sampling(77.0, 0.1, 0.2, ("mine",))
    replace(tiny_model, sampling=own).save(tmp_path / "own")
    assert read_bundle(tmp_path / "own").sampling == own
