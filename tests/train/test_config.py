from __future__ import annotations

from dataclasses import fields, replace

import pytest
import yaml

from scmmgpt_tl.train.config import RunConfig
from scmmgpt_tl.train.corpus.entry import CensusEntry

NEEDED = {
    "profiles": ["data/p_*.h5ad"],
    "cells": [],
    "gencode": "genes.gz",
    "gene_text": "text.gz",
    "bert": "bert",
    "language_model": "llama",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("p_b", "p_a", "q", "p_[1]"):
        (tmp_path / "data" / f"{name}.h5ad").touch()
    return tmp_path


def read(folder, **change):
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({**NEEDED, **change}), encoding="utf-8")
    return RunConfig.read(path)


def test_paths_are_relative_to_the_file_and_patterns_expanded(folder):
    config = read(folder, cells=["data/q.h5ad"])
    names = [path.name for path in config.profiles]
    assert names == sorted(names) == ["p_[1].h5ad", "p_a.h5ad", "p_b.h5ad"]
    assert config.cells == (folder / "data" / "q.h5ad",)
    assert config.gencode == folder / "genes.gz"


def test_a_name_with_brackets_is_a_name(folder):
    config = read(folder, profiles=["data/p_[1].h5ad"])
    assert [path.name for path in config.profiles] == ["p_[1].h5ad"]


def test_what_is_left_out_is_the_default(folder):
    config = read(folder)
    for item in fields(RunConfig):
        if item.name not in NEEDED and item.name != "architecture":
            assert getattr(config, item.name) == item.default


@pytest.mark.parametrize("where", ["run.yaml", "deeper/down/run.yaml"])
def test_what_is_written_is_read_again(folder, where):
    config = read(folder, cells=["data/q.h5ad"], exclude=["p_a|x"], real_share=0.5, seed=3)
    target = folder / where
    target.parent.mkdir(parents=True, exist_ok=True)
    config.write(target)
    again = RunConfig.read(target)
    for item in fields(RunConfig):
        before, after = getattr(config, item.name), getattr(again, item.name)
        if item.type == "Path":
            assert after.resolve() == before.resolve()
        elif item.type == "tuple[Path, ...]":
            assert [p.resolve() for p in after] == [p.resolve() for p in before]
        else:
            assert after == before


def test_written_paths_move_with_the_folder(folder):
    read(folder, cells=["data/q.h5ad"]).write(folder / "again.yaml")
    raw = yaml.safe_load((folder / "again.yaml").read_text())
    assert raw["cells"] == ["data/q.h5ad"]
    assert raw["bert"] == "bert"


def test_a_linked_file_keeps_its_own_name(folder):
    (folder / "data" / "linked.h5ad").symlink_to(folder / "data" / "q.h5ad")
    read(folder, cells=["data/linked.h5ad"]).write(folder / "again.yaml")
    assert RunConfig.read(folder / "again.yaml").cells[0].stem == "linked"


def test_unknown_key(folder):
    with pytest.raises(ValueError, match=r"run.yaml` has unknown keys \['epochs'\]"):
        read(folder, epochs=3)


def test_missing_key(folder):
    (folder / "run.yaml").write_text("profiles: []\n")
    with pytest.raises(ValueError, match=r"lacks the keys \['bert', 'cells', 'gencode'"):
        RunConfig.read(folder / "run.yaml")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "word"])
def test_a_file_without_keys(folder, text):
    (folder / "run.yaml").write_text(text)
    with pytest.raises(ValueError, match="must hold keys and values"):
        RunConfig.read(folder / "run.yaml")


def test_no_file_matches(folder):
    with pytest.raises(FileNotFoundError, match=r"No file matches 'data/z\*.h5ad' \(looked in"):
        read(folder, profiles=["data/z*.h5ad"])


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("stage1_steps", "3000", "a whole number"),
        ("stage1_steps", 2.5, "a whole number"),
        ("stage1_steps", -1, "a whole number"),
        ("stage1_cells", True, "a whole number"),
        ("real_share", 1.2, "a number from 0 to 1"),
        ("real_share", "half", "a number from 0 to 1"),
        ("use_gene_text", "no, thanks", "true or false"),
        ("use_gene_text", 1, "true or false"),
        ("exclude", "human|x", "a list of names"),
        ("extra_genes", [1, 2], "a list of names"),
        ("profiles", "data/p_a.h5ad", "a list of paths"),
        ("cells", [3], "a list of paths"),
        ("bert", 3, "a path"),
        ("architecture", {"bridge": 3}, "sizes by part"),
        ("architecture", {"decoder": None}, "sizes by part"),
        ("census", {"version": "2025-11-08"}, "a list of stores"),
        ("cells_in_memory", 0.5, "a whole number"),
    ],
)
def test_wrong_values_are_named(folder, key, value, wanted):
    with pytest.raises(ValueError, match=rf"`{key}` must be {wanted}.*, found"):
        read(folder, **{key: value})


def test_values_are_checked_however_a_run_is_made(folder):
    with pytest.raises(ValueError, match="`seed` must be a whole number"):
        replace(read(folder), seed=0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": 0}, r"`parts` must be 1 or more, found 0"),
        ({"parts": 5}, r"`stage1_cells` must be a multiple of `parts` \(5\), found 256"),
        ({"stage2_cells": 2}, r"`stage2_cells` must be a multiple of `parts` \(4\), found 2"),
        ({"precision": "16-mixed"}, r"`precision` must be one of auto, bf16-mixed, .*'16-mixed'"),
        ({"language_model_bits": 5}, r"`language_model_bits` must be 4, 8 or 32, found 5"),
        ({"language_model_bits": 4}, r"`language_model_bits: 4` .* set `lora_rank` to 1 or more"),
        ({"accumulate": 0}, r"`accumulate` must be 1 or more"),
        ({"pool_steps": 0}, r"`pool_steps` must be 1 or more"),
        ({"known_apart": ["a and b"]}, r"`known_apart` must hold pairs such as .*'a and b'"),
        ({"census": [{"release": "x"}]}, r"`census` of `.*` has unknown keys \['release'\]"),
        ({"census": ["x"]}, r"`census` of `.*` must hold keys and values, found str"),
        (
            {"census": [{"version": "x", "organism": 9606}]},
            r"`organism` must be a text, found 9606",
        ),
        (
            {"census": [{"version": "x", "uri": "y"}]},
            r"each entry needs one of .* 'x', 'y' and None",
        ),
        ({"census": [{}]}, r"each entry needs one of `version`, `uri` and `path`"),
    ],
)
def test_what_cannot_be_run_is_named(folder, change, message):
    with pytest.raises(ValueError, match=message):
        read(folder, **change)


def test_a_moved_run_is_the_same_run(folder):
    config = read(folder, cells=["data/q.h5ad"])
    (folder / "deeper").mkdir()
    config.write(folder / "deeper" / "run.yaml")
    again = RunConfig.read(folder / "deeper" / "run.yaml")
    assert again.resolved() == config.resolved()
    assert replace(again, seed=1).resolved() != config.resolved()


def test_a_folder_stands_for_the_cells_in_it(folder):
    for name in ("b.zarr", "notes"):
        (folder / "data" / name).mkdir()
    names = ["p_[1].h5ad", "p_a.h5ad", "p_b.h5ad", "q.h5ad"]
    assert [path.name for path in read(folder, cells=["data"]).cells] == ["b.zarr", *names]
    assert [path.name for path in read(folder, cells=["data/*.zarr"]).cells] == ["b.zarr"]
    with pytest.raises(FileNotFoundError, match=r"notes' holds no .h5ad or .zarr"):
        read(folder, cells=["data/notes"])


def test_stores_are_read_and_written(folder):
    text = "census: [{version: 2025-11-08, value_filter: sex == 'male'}, {path: data/soma}]\n"
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(NEEDED) + text, encoding="utf-8")
    config = RunConfig.read(path)
    release = CensusEntry(version="2025-11-08", value_filter="sex == 'male'")
    assert config.census == (release, CensusEntry(path=folder / "data" / "soma"))
    (folder / "deeper").mkdir()
    config.write(folder / "deeper" / "run.yaml")
    again = RunConfig.read(folder / "deeper" / "run.yaml")
    assert again.census[1].path != config.census[1].path
    assert again.resolved() == config.resolved()
