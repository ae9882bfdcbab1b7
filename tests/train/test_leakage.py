"""Nothing that the shipped model is measured on may have been trained or calibrated on.

The data are not part of the repository; where they are not there, there is nothing to check.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from anndata import read_h5ad
from scipy.sparse import csr_matrix

from scmmgpt_tl.train.config import RunConfig
from scmmgpt_tl.train.corpus.cells import as_categorical
from scmmgpt_tl.train.corpus.files import open_cells, read_donors
from scmmgpt_tl.train.leakage import check_leakage, read_origin
from scmmgpt_tl.train.origin import ACCESSION, YEAR
from scmmgpt_tl.train.reference import cited_studies

RUN = Path(__file__).parents[2] / "benchmarks" / "training" / "default.yaml"

# Same first author, other study: the profiles are from Darmanis et al. 2017 (Cell Reports,
# glioblastoma, GSE84465), the cells that we measure on from Darmanis et al. 2015 (PNAS, healthy
# cortex, GSE67835).
OTHER_STUDIES = {("human_cellprofilelibrary|Human/Adult/Brain_Darmanis", "darmanis_2015")}
# Their reference is an address.
AUTHORS = {"fetal_brain_braun": "Braun"}
# T cells of four tissues whose source names no study. The 10x cells of the benchmark with T cells
# are older (v1), or of the liver and of colorectal tumours, so these are taken for another study.
UNKNOWN = "human_cellprofilelibrary|Human/History/Tcell_Adult_"
# Counts of fewer genes may be the same by chance.
FEWEST_GENES = 30


@pytest.fixture(scope="module")
def manifest(shared_data):
    with (shared_data / "manifest.csv").open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def dev(manifest):
    return {row["file"]: row for row in manifest if row["split"] == "dev"}


@pytest.fixture(scope="module")
def config(shared_data, tmp_path_factory):
    """The run that made the shipped model, as far as it names reference data."""
    import yaml

    # Starting weights are downloaded for a training run only; reading the run does without.
    assert yaml.safe_load(RUN.read_text(encoding="utf-8"))["profiles"]
    return RunConfig.read(RUN)


@pytest.fixture(scope="module")
def studies(config):
    """All that is known of each profile study the run reads: its name and what it cites."""
    found = {}
    for path in (*config.profiles, *config.ortholog_profiles):
        for study, _, citation in cited_studies(path):
            if not study.startswith(config.exclude):
                found[study] = f"{found.get(study, '')} {citation}".strip()
    return found


def trained_files(config):
    return [path.stem for path in (*config.cells, *config.held_out_cells, *config.sampling)]


def authors_and_years(name, reference):
    """Pairs of a first author and a year that a data set names; the year may be unknown."""
    for part in reference.split(";"):
        author = re.match(r"\s*([A-Z][\w-]+)\b", part)
        if author and "et al" in part:
            yield author[1], next(iter(YEAR.findall(part)), None)
    if name in AUTHORS:
        yield AUTHORS[name], None


def test_all_cells_of_the_run_are_in_the_training_split(config, manifest):
    split = {row["file"]: row["split"] for row in manifest}
    assert {split[name] for name in trained_files(config)} == {"train"}
    folders = {path.parent.resolve().name for path in (*config.cells, *config.held_out_cells)}
    assert folders == {"train"}
    profiles = (*config.profiles, *config.ortholog_profiles)
    assert {path.parent.resolve().name for path in profiles} == {"profiles"}


def test_no_file_of_the_benchmark_is_trained_on(config, dev):
    assert len(dev) > 10
    assert not set(trained_files(config)) & set(dev)


def test_held_out_cells_are_not_trained_on(config):
    assert config.held_out_cells
    assert not set(config.cells) & set(config.held_out_cells)


@pytest.mark.parametrize("column", ["source", "reference"])
def test_no_study_of_the_benchmark_is_among_the_training_cells(config, manifest, dev, column):
    trained = {row["file"]: row for row in manifest if row["file"] in trained_files(config)}
    # One repository hands out several studies, so a shared source must differ in its reference.
    for name, row in trained.items():
        for other, measured in dev.items():
            if column == "reference":
                assert row["reference"] != measured["reference"], (name, other)
                accessions = set(ACCESSION.findall(row["reference"]))
                assert not accessions & set(ACCESSION.findall(measured["reference"]))
                mine = set(authors_and_years(name, row["reference"]))
                assert not mine & set(authors_and_years(other, measured["reference"]))
            elif row["source"] == measured["source"]:
                assert row["tissue"] != measured["tissue"] or row["assay"] != measured["assay"]


def test_no_profile_study_shares_an_accession_with_the_benchmark(studies, dev):
    for study, citation in studies.items():
        cited = set(ACCESSION.findall(f"{study} {citation}"))
        for name, row in dev.items():
            assert not cited & set(ACCESSION.findall(row["reference"])), (study, name)


def test_no_profile_study_is_one_of_the_benchmark(studies, dev):
    assert len(studies) > 100
    same_author, same_study = set(), set()
    for study, citation in studies.items():
        text = re.sub(r"[_|/]", " ", f"{study} {citation}")
        words, years = set(re.findall(r"[\w-]+", text)), set(YEAR.findall(text))
        for name, row in dev.items():
            for author, year in authors_and_years(name, row["reference"]):
                if author in words:
                    same_author.add((study, name))
                    # Where either year is unknown, the author alone must do.
                    if year is None or not years or year in years:
                        same_study.add((study, name))
    assert not same_study
    assert same_author == OTHER_STUDIES


def test_the_other_study_of_the_same_author_is_another(studies, dev):
    for study, name in OTHER_STUDIES:
        assert "Neoplastic" in studies[study]
        assert "2017" in YEAR.findall(studies[study])
        assert "2015" in YEAR.findall(dev[name]["reference"])


def test_studies_of_unknown_origin_are_excluded(studies):
    # They might be one that we measure on: nobody wrote down which they are.
    unknown = {study for study, cited in studies.items() if "not stated" in cited}
    assert {study for study in unknown if not study.startswith(UNKNOWN)} == set()


def test_markers_computed_from_cells_of_the_benchmark_are_not_read(config):
    # Census (liver, fetal brain), HUSCH, Azimuth (pancreas, blood) and DRscDB are made of published
    # single-cell studies; the other resources are lists that people curated, or antibodies.
    assert {"CELLxGENE", "HUSCH", "Azimuth", "DRscDB"} <= set(config.markers_without)


def test_held_out_studies_exist(config, studies):
    for held in config.held_out_studies:
        assert any(study.startswith(held) for study in studies), held


@pytest.fixture(scope="module")
def trained(config, gene_table):
    return [open_cells(path, gene_table) for path in config.cells]


def test_the_run_names_everything_it_is_measured_on(config, dev, shared_data):
    assert config.keep_out_splits == ("dev",)
    assert (shared_data / "manifest.csv").resolve() in {path.resolve() for path in config.keep_out}
    assert set(dev) <= {path.stem for path in config.keep_out}


def test_the_shipped_run_is_not_refused(config, trained):
    check_leakage(config, trained)


def test_a_file_of_the_benchmark_is_found_under_another_name(config, dev, trained, shared_data):
    found = set()
    for name in dev:
        path = shared_data / "dev" / f"{name}.h5ad"
        with h5py.File(path) as file:
            donors = as_categorical(read_donors(file, 1))
        leak = replace(trained[0], study="renamed", cited=read_origin(path).cited, donors=donors)
        try:
            check_leakage(replace(config, profiles=(), held_out_studies=()), [leak])
        except ValueError as error:
            assert f"'renamed' ({leak.source}), which is trained on, and" in str(error)  # noqa: PT017
            found.add(name)
    # It names neither an article nor an accession, and no donor.
    assert set(dev) - found == {"crc_scmetalink"}


def test_no_donor_of_the_benchmark_is_trained_on(config, dev, shared_data):
    here = {path: read_origin(path).people for path in (*config.cells, *config.held_out_cells)}
    assert sum(map(len, here.values())) > 4
    for name in dev:
        people = read_origin(shared_data / "dev" / f"{name}.h5ad").people
        assert not any(people & others for others in here.values()), name


def test_no_cell_of_the_benchmark_is_trained_on(config, dev, shared_data):
    measured = [read_h5ad(shared_data / "dev" / f"{name}.h5ad") for name in dev]
    for path in (*config.cells, *config.held_out_cells):
        ours = read_h5ad(path)
        for theirs in measured:
            genes = ours.var_names.intersection(theirs.var_names)
            mine, other = (cells_by_counts(adata[:, genes].X) for adata in (ours, theirs))
            assert not mine & other, path


def cells_by_counts(matrix):
    """Cells told by their counts, as far as these are of enough genes."""
    counts = csr_matrix(matrix, dtype=np.float32)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    genes, values = counts.indices.astype(np.int32), counts.data
    return {
        (genes[start:stop].tobytes(), values[start:stop].tobytes())
        for start, stop in pairwise(counts.indptr)
        if stop - start >= FEWEST_GENES
    }
