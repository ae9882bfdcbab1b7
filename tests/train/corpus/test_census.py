"""Cells of a small census on disk, laid out as CELLxGENE lays out its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from scmmgpt_tl.train.config import Hardware
from scmmgpt_tl.train.corpus.census import open_census
from scmmgpt_tl.train.corpus.entry import CensusEntry

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("tiledbsoma")
STUDIES = ("3f3d6e5c-0000-4000-8000-000000000001", "3f3d6e5c-0000-4000-8000-000000000002")
# The second study measured no gene behind these.
FEWER = 200


@pytest.fixture(scope="module")
def experiment(adata, gene_table, tmp_path_factory) -> Path:
    """A SOMA experiment; every tenth cell is a copy of one of another study."""
    import tiledbsoma.io

    path = tmp_path_factory.mktemp("soma") / "experiment"
    n = adata.n_obs
    other = adata.copy()
    other.obs = pd.DataFrame(
        {
            "cell_type_ontology_term_id": adata.obs["cell_type_id"].astype(str),
            "tissue": adata.obs["tissue"].astype(str),
            "donor_id": adata.obs["donor"].astype(str),
            "dataset_id": np.array(STUDIES)[np.arange(n) // 5 % 2],
            "is_primary_data": np.arange(n) % 10 != 0,
        },
        index=adata.obs_names,
    )
    other.var = pd.DataFrame({"feature_id": gene_table.ensembl_ids}, index=adata.var_names)
    tiledbsoma.io.from_anndata(
        str(path), other, measurement_name="RNA", X_layer_name="raw", uns_keys=[]
    )
    return path


@pytest.fixture(scope="module")
def census(experiment, gene_table) -> Path:
    """A census around the experiment."""
    import pyarrow as pa
    import tiledbsoma

    path = experiment.parent / "census"
    shape = len(STUDIES), len(gene_table)
    with tiledbsoma.Experiment.open(str(experiment), "w") as cells:
        presence = cells.ms["RNA"].add_new_sparse_ndarray(
            "feature_dataset_presence_matrix", type=pa.uint8(), shape=shape
        )
        there = np.ones(shape, dtype=np.uint8)
        there[1, FEWER:] = 0
        presence.write(pa.SparseCOOTensor.from_numpy(*_coo(there), shape=shape))
    with tiledbsoma.Collection.create(str(path)) as store:
        data = store.add_new_collection("census_data")
        data.set("homo_sapiens", tiledbsoma.Experiment.open(str(experiment)))
        columns = {
            "soma_joinid": pa.array([0, 1]),
            "dataset_id": pa.array(STUDIES, pa.large_string()),
            "citation": pa.array(["https://doi.org/10.1000/one", "Two"], pa.large_string()),
        }
        table = pa.table(columns)
        datasets = store.add_new_collection("census_info").add_new_dataframe(
            "datasets", schema=table.schema, index_column_names=["soma_joinid"], domain=[[0, 1]]
        )
        datasets.write(table)
    return path


def _coo(dense):
    places = np.argwhere(dense)
    return dense[tuple(places.T)].reshape(-1, 1), places


def test_each_data_set_is_a_study(census, adata, gene_table):
    found = open_census(CensusEntry(path=census), gene_table)
    assert tuple(cells.study for cells in found) == STUDIES
    typed = (adata.obs["cell_type_id"] != "").to_numpy()
    for i, cells in enumerate(found):
        own = (np.arange(adata.n_obs) // 5 % 2 == i) & (np.arange(adata.n_obs) % 10 != 0) & typed
        expected = adata[own]
        assert not cells.in_memory
        assert cells.source == str(census)
        assert list(cells.terms) == list(expected.obs["cell_type_id"])
        assert list(cells.tissues) == list(expected.obs["tissue"])
        assert list(cells.donors) == list(expected.obs["donor"])
        rows = np.random.default_rng(0).permutation(len(cells.terms))[:50]
        np.testing.assert_array_equal(cells.counts[rows].toarray(), expected.X[rows].toarray())


def test_a_census_says_what_was_measured_and_where_it_was_published(census, gene_table):
    one, two = open_census(CensusEntry(path=census), gene_table)
    assert one.measured.all()
    assert two.measured.tolist() == [i < FEWER for i in range(len(gene_table))]
    assert (one.cited, two.cited) == ("https://doi.org/10.1000/one", "Two")


def test_a_single_experiment(experiment, gene_table):
    entry = CensusEntry(path=experiment, value_filter="tissue == 'liver'", primary_only=False)
    found = open_census(entry, gene_table)
    assert sum(len(cells.terms) for cells in found) == 150
    assert {name for cells in found for name in cells.tissues} == {"liver"}
    assert all(cells.cited == "" for cells in found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"term": "cell_type"}, r"has no 'cell_type'. Name what it has, of \['cell_type_ontol"),
        ({"layer": "counts"}, r"has no 'counts'. Name what it has, of \['raw'\]"),
        ({"measurement": "ATAC"}, "has no 'ATAC'"),
        ({"gene": "symbol"}, "has no 'symbol'"),
    ],
)
def test_what_a_store_lacks_is_named(experiment, gene_table, change, message):
    with pytest.raises(ValueError, match=message):
        open_census(CensusEntry(path=experiment, **change), gene_table)


def test_training_goes_the_same_way_again(census, run_config, tmp_path):
    import torch
    from safetensors.torch import load_file

    from scmmgpt_tl.train import stage1
    from scmmgpt_tl.train.material import prepare, start_network
    from scmmgpt_tl.train.phase import train_phase

    config = replace(
        run_config,
        census=(CensusEntry(path=census),),
        cells_in_memory=0,
        pool_cells=64,
        pool_steps=2,
        real_share=0.5,
        warm_up_steps=3,
        stage1_steps=2,
    )
    states = []
    for name in ("first", "again"):
        material = prepare(config)
        assert [part.study for part in material.cells] == ["cells", *STUDIES]
        learner = stage1.Stage1(start_network(config, material), material, config)
        train_phase(
            learner,
            "stage1",
            steps=5,
            config=config,
            hardware=Hardware(accelerator="cpu", progress=False),
            folder=tmp_path / name,
        )
        states.append(load_file(tmp_path / name / "stage1.safetensors"))
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
