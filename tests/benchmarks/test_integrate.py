from __future__ import annotations

import _joined
import integrate
import numpy as np
import pandas as pd
import pytest
from _data import read_study
from _joined import hold_back, join


@pytest.fixture
def study(bench_folder):
    return read_study(bench_folder / "data" / "tiny_study.h5ad", max_cells=60, seed=0)


def test_every_second_type_is_held_back_from_a_batch(study):
    batch = study.adata.obs["batch"].to_numpy().astype(str)
    part, of = hold_back(study, batch, seed=0)
    assert part.name == "tiny_study, uneven"
    assert part.adata.n_obs == len(part.truth) == len(of) < 60
    counted = pd.crosstab(part.truth, of).to_numpy()
    whole = pd.crosstab(study.truth, batch).to_numpy()
    full = np.add.outer(range(3), range(2)) % 2 == 0
    assert (counted[full] == whole[full]).all()
    assert (counted[~full] < whole[~full] / 2).all()


def test_studies_are_joined_on_one_level(bench_folder, monkeypatch):
    data = bench_folder / "data"
    other = read_study(data / "tiny_study.h5ad", max_cells=60, seed=0).adata
    other = other[:, 50:].copy()
    other.obs["cell_type"] = other.obs["cell_type"].astype(str).replace("T cell", "CD8+ T cell")
    other.obs["cell_type_id"] = (
        other.obs["cell_type_id"].astype(str).replace("CL:0000084", "CL:0000625")
    )
    other.write_h5ad(data / "finer.h5ad")
    terms = ("CL:0000236", "CL:0000084")
    monkeypatch.setitem(_joined.JOINED, "both of them", (("tiny_study", "finer"), terms))
    study = join(data, bench_folder, "both of them", max_cells=100, seed=0)
    assert study.name == "both of them"
    assert study.labels == ("B cell", "T cell")
    assert study.cl_ids == terms
    assert set(study.adata.obs["batch"]) == {"tiny_study", "finer"}
    assert study.adata.n_vars == other.n_vars
    # The odd cells are at none of the terms.
    assert 60 < study.adata.n_obs < 100


def test_integrations_run(options, bench_folder, monkeypatch):
    pytest.importorskip("scib_metrics")
    monkeypatch.setattr(integrate, "FILES", ("tiny_study",))
    monkeypatch.setattr(integrate, "JOINED", ())
    methods = ("pca", "means", "linear", "linear_named")
    integrate.main([*options, "--methods", *methods])
    found = pd.read_csv(bench_folder / "out" / "integrate.csv")
    assert set(found["data_set"]) == {"tiny_study", "tiny_study, uneven"}
    assert list(found["method"]) == [*methods, *methods]
    assert found[["avg_bio", "avg_batch"]].notna().all(axis=None)
    page = (bench_folder / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "old integrate" not in page
    assert "| as they are | integrate, linear |" in page
    assert "| uneven | linear, one label for all |" in page


def test_scanvi_without_sure_cells_has_no_row(options, bench_folder, monkeypatch, capsys):
    pytest.importorskip("scib_metrics")
    monkeypatch.setattr(integrate, "FILES", ("tiny_study",))
    monkeypatch.setattr(integrate, "JOINED", ())

    def refuse(*_, **__):
        msg = "scANVI needs two labels with at least 5 sure cells each, found 0: none."
        raise ValueError(msg)

    monkeypatch.setattr("scmmgpt_tl.tl.integrate", refuse)
    integrate.main([*options, "--methods", "means", "linear"])
    found = pd.read_csv(bench_folder / "out" / "integrate.csv")
    assert set(found["method"]) == {"means"}
    assert "has nothing to go by" in capsys.readouterr().out


def test_means_are_over_the_same_data_sets():
    names = ["a", "a", "a, uneven", "b", "b, uneven"]
    methods = ["pca", "scanvi_named", "pca", "pca", "pca"]
    results = pd.DataFrame({"data_set": names, "method": methods})
    parts = integrate.parts_of(results)
    assert parts["as they are, sure labels"].tolist() == [True, True, False, False, False]
    assert not parts["uneven, sure labels"].any()
    assert list(integrate.parts_of(results[:2])) == ["as they are", "uneven"]


def test_no_data(options, tmp_path):
    pytest.importorskip("scib_metrics")
    with pytest.raises(SystemExit, match="There are no data sets in"):
        integrate.main([*options, "--methods", "means", "--data", str(tmp_path / "nowhere")])
