"""Nothing that the shipped model is measured on may have been trained or calibrated on.

The data are not part of the repository; where they are not there, there is nothing to check.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import h5py
import pytest
from anndata.io import read_elem

from scmmgpt_tl.train.config import RunConfig

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
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
ACCESSION = re.compile(r"\b(?:GSE|SRP|PRJNA|E-MTAB-)\d+\b")


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
    for path in config.profiles:
        with h5py.File(path) as file:
            obs = read_elem(file["obs"])
        matrix = next((obs[c] for c in ("matrix", "sample") if c in obs), None)
        cited = obs["citation"].astype(str) if "citation" in obs else [""] * len(obs)
        for name, citation in zip(matrix.astype(str), cited, strict=True):
            study = f"{path.stem}|{name}"
            if not study.startswith(config.exclude):
                found[study] = citation
    return found


def trained_files(config):
    return [path.stem for path in (*config.cells, *config.held_out_cells)]


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
    assert {path.parent.resolve().name for path in config.profiles} == {"profiles"}


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
