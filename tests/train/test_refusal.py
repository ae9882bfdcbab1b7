"""A run is refused before its first step where it would learn from what it is tested on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from anndata import read_h5ad

from scmmgpt_tl.train.corpus.read import read_corpus
from scmmgpt_tl.train.leakage import check_leakage, read_origin, read_table

TRAINED, HELD = "human_a|Adult/One", "human_a|Adult/Held"


@pytest.fixture
def write(run_config, tmp_path):
    """Write the cells of the run to another file, with what it is to say of its origin."""

    def write(name, *, reference="", donor="unknown"):
        adata = read_h5ad(run_config.cells[0])
        adata.uns["reference"] = reference
        adata.obs["donor"] = donor
        adata.write_h5ad(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def check(run_config, gene_table):
    def check(**change):
        config = replace(run_config, **change)
        check_leakage(config, read_corpus(config, gene_table))

    return check


def test_a_run_of_different_studies_is_not_refused(check, write):
    check(keep_out=(write("test.h5ad", reference="Other et al. 2020", donor="Ada"),))


def test_the_same_file_by_another_way(check, write):
    with pytest.raises(
        ValueError, match=r"'cells' \(cells.h5ad\), which is trained on, and 'cells'"
    ):
        check(keep_out=(write("cells.h5ad"),))


@pytest.mark.parametrize(
    ("known", "shared"),
    [
        ({"reference": "GSE12345"}, "GSE12345"),
        ({"reference": "Some et al. 2020"}, "the article of Some"),
        ({"donor": "Br5161"}, "the donors Br5161"),
    ],
)
@pytest.mark.parametrize("side", ["held_out_cells", "keep_out"])
def test_another_file_of_the_same_study(check, write, known, shared, side):
    both = {"cells": (write("a.h5ad", **known),), side: (write("b.h5ad", **known),)}
    how = "held out" if side == "held_out_cells" else "kept out"
    message = rf"'a' \(a.h5ad\), which is trained on, and 'b' \(b.h5ad\), which is {how}, share "
    with pytest.raises(ValueError, match=message + shared):
        check(**both)
    check(**both, known_apart=("a ~ b",))


def test_what_is_tested_on_is_not_calibrated_with_either(check, write):
    held, kept = (write(name, donor="Ada") for name in ("a.h5ad", "b.h5ad"))
    with pytest.raises(ValueError, match=r"'a' .*, which is calibrated with, and 'b' .* Ada"):
        check(held_out_cells=(held,), keep_out=(kept,))


def test_profiles_of_the_same_study(check, tmp_path):
    table = tmp_path / "tested.csv"
    table.write_text(f"study,reference\n{TRAINED},\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"One' \(human_a.h5ad\), which is trained on, .*the name"):
        check(keep_out=(table,))
    check(keep_out=(table,), exclude=(TRAINED,))


def test_a_study_that_is_not_there_cannot_be_held_out(check):
    with pytest.raises(ValueError, match=r"'human_a\|Adlt' is the beginning of no study"):
        check(held_out_studies=("human_a|Adlt",))


def test_only_some_pairs_are_told(check, write):
    files = tuple(write(f"{name}.h5ad", donor="Ada") for name in "abcdefg")
    with pytest.raises(ValueError, match=r"and 1 more pairs\.\nLeave the first of the two out"):
        check(cells=files[:1], keep_out=files[1:])


def test_a_table_of_studies(tmp_path):
    path = tmp_path / "tested.csv"
    rows = ["split,file,reference,donor", 'dev,a,"One 2020, GSE1",Ada; Ben', "train,b,GSE2,"]
    path.write_text("\n".join(rows), encoding="utf-8")
    both, (one,) = read_table(path), read_table(path, splits=["dev"])
    assert [origin.study for origin in both] == ["a", "b"]
    assert (one.study, one.source, one.donors) == ("a", "tested.csv", {"Ada", "Ben"})
    assert one.ids == {"GSE1"}
    with pytest.raises(ValueError, match=r"No row of 'tested.csv' has a `split` of .*\['test'\]"):
        read_table(path, splits=["test"])


def test_a_table_without_names(tmp_path):
    (tmp_path / "tested.csv").write_text("name\na\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"'tested.csv' needs a column `study` or `file`"):
        read_table(tmp_path / "tested.csv")


def test_a_file_of_cells_needs_no_labels(write, tmp_path):
    adata = read_h5ad(write("a.h5ad", reference="GSE1", donor="Ada"))
    del adata.obs["cell_type_id"]
    adata.write_zarr(tmp_path / "bare.zarr")
    origin = read_origin(tmp_path / "bare.zarr")
    assert (origin.study, origin.ids, origin.people) == ("bare", {"GSE1"}, {"Ada"})
