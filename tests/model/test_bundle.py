from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from scmmgpt_tl.model.bundle import read_bundle, write_bundle
from scmmgpt_tl.model.calibration import Calibration
from scmmgpt_tl.model.genes import GeneTable
from scmmgpt_tl.model.labels import LabelTable

if TYPE_CHECKING:
    from pathlib import Path

FILES = (
    "README.md",
    "calibration.json",
    "decoder_tokenizer.json",
    "genes.tsv",
    "labels.tsv",
    "network.safetensors",
    "text_tokenizer.json",
)
PARTS = {
    "config": {"encoder": {"n_genes": 2}},
    "tensors": {"network": {"w": torch.arange(12.0).reshape(3, 4), "b": torch.tensor([0.1])}},
    "genes": GeneTable(("CD3D", "LYZ"), ("ENSG00000167286", "ENSG00000090382"), (("T3D",), ())),
    "labels": LabelTable(("T cell",), ("CL:0000084",), (("blood",),)),
    "calibration": Calibration(0.1, 1.0, 0.0, 0.5, 50, ("pbmc3k",)),
    "text_tokenizer_json": "{}",
    "decoder_tokenizer_json": "{}",
    "card": "# Karte Ö\n",
    "name": "small",
    "revision": "r1",
    "licence": "BSD-3-Clause",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle", **PARTS)
    return tmp_path / "bundle"


def reseal(folder: Path, **change: object) -> None:
    """Change ``config.json`` as somebody would who knows how the seal is made."""
    path = folder / "config.json"
    content = json.loads(path.read_text()) | change
    for name, entry in content["files"].items():
        if "refresh" in entry:
            data = (folder / name).read_bytes()
            content["files"][name] = {
                "sha256": hashlib.sha256(data).hexdigest(),
                "bytes": len(data),
            }
    del content["sha256"]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    path.write_text(json.dumps(content | {"sha256": hashlib.sha256(canonical).hexdigest()}))


def reseal_file(folder: Path, name: str) -> None:
    files = json.loads((folder / "config.json").read_text())["files"]
    reseal(folder, files=files | {name: {"refresh": True}})


def test_read_gives_back_what_was_written(bundle):
    found = read_bundle(bundle)
    assert (found.name, found.revision, found.licence) == ("small", "r1", "BSD-3-Clause")
    assert found.config == PARTS["config"]
    assert found.genes == PARTS["genes"]
    assert found.labels == PARTS["labels"]
    assert found.calibration == PARTS["calibration"]
    assert found.card.read_text(encoding="utf-8") == "# Karte Ö\n"
    assert found.text_tokenizer.name == "text_tokenizer.json"
    assert found.tensors.keys() == {"network"}
    for key, tensor in PARTS["tensors"]["network"].items():
        assert torch.equal(found.tensors["network"][key], tensor)


def test_the_folder_holds_what_config_names_and_nothing_else(bundle):
    content = json.loads((bundle / "config.json").read_text())
    assert sorted(path.name for path in bundle.iterdir()) == sorted([*FILES, "config.json"])
    assert sorted(content["files"]) == sorted(FILES)
    for name, entry in content["files"].items():
        data = (bundle / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_everybody_may_read_every_file(bundle):
    assert bundle.stat().st_mode & 0o555 == 0o555
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in bundle.iterdir())


def test_hash_stands_for_content(tmp_path, bundle):
    same = write_bundle(tmp_path / "same", **PARTS)
    other = write_bundle(tmp_path / "other", **PARTS | {"card": "# other\n"})
    assert read_bundle(bundle).sha256 == same != other


def test_resealed_bundle_is_read(bundle):
    reseal(bundle, revision="r2")
    assert read_bundle(bundle).revision == "r2"


@pytest.mark.parametrize("name", [*FILES, "config.json"])
def test_a_flipped_bit_is_found_in_every_file(bundle, name):
    data = bytearray((bundle / name).read_bytes())
    place = data.rindex(b"r1") if name == "config.json" else len(data) // 2
    data[place] ^= 1
    (bundle / name).write_bytes(data)
    with pytest.raises(ValueError, match=rf"{name} .*changed after the bundle was written"):
        read_bundle(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_is_found(bundle, name):
    data = (bundle / name).read_bytes()
    (bundle / name).write_bytes(data[:-1])
    with pytest.raises(ValueError, match=rf"{name} has .* bytes instead of .*Get the bundle again"):
        read_bundle(bundle)


@pytest.mark.parametrize("name", [*FILES, "config.json"])
def test_a_missing_file_is_named(bundle, name):
    (bundle / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing"):
        read_bundle(bundle)


@pytest.mark.parametrize("name", ["genes.tsv", "README.md"])
def test_config_must_name_every_part(bundle, name):
    files = json.loads((bundle / "config.json").read_text())["files"]
    del files[name]
    reseal(bundle, files=files)
    with pytest.raises(ValueError, match=rf"does not name {name}"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (99, "format_version 99; this version reads 2. Upgrade with `pip install -U scmmgpt-tl`"),
        (1, "format_version 1; this version reads 2. Publish its run again with this version"),
        ("1", "format_version '1'"),
        (None, "format_version None; this version reads 2. It is no bundle's"),
    ],
)
def test_unknown_format_version(bundle, version, message):
    reseal(bundle, format_version=version)
    with pytest.raises(ValueError, match=message):
        read_bundle(bundle)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_config_that_is_not_json(bundle, text):
    (bundle / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config.json is not JSON"):
        read_bundle(bundle)


@pytest.mark.parametrize("text", ["[]", "1", "null", '{"model_type": "bert"}'])
def test_config_of_something_else(bundle, text):
    (bundle / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config.json has format_version None"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1},
        {"files": []},
        {"architecture": None},
        {"files": {"genes.tsv": {"sha256": "x"}}},
    ],
)
def test_malformed_config(bundle, change):
    content = json.loads((bundle / "config.json").read_text())
    (bundle / "config.json").write_text(json.dumps(content | change))
    with pytest.raises(ValueError, match="or has them malformed"):
        read_bundle(bundle)


def test_huge_config_is_not_parsed(bundle):
    (bundle / "config.json").write_text(" " * (2**20 + 1))
    with pytest.raises(ValueError, match="larger than 1,048,576 bytes"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    "name",
    [
        "../genes.tsv",
        "/etc/hosts.md",
        "sub/genes.tsv",
        "..",
        "",
        "a\\b.tsv",
        "C:genes.tsv",
        ".x.md",
    ],
)
def test_paths_are_refused(bundle, name):
    files = json.loads((bundle / "config.json").read_text())["files"]
    reseal(bundle, files=files | {name: {"sha256": "0", "bytes": 1}})
    with pytest.raises(ValueError, match="its files lie side by side, without any path"):
        read_bundle(bundle)


@pytest.mark.parametrize("name", ["weights.pt", "weights.bin", "run.py", "weights", "x.JSON"])
def test_other_suffixes_are_refused(bundle, name):
    files = json.loads((bundle / "config.json").read_text())["files"]
    reseal(bundle, files=files | {name: {"sha256": "0", "bytes": 1}})
    with pytest.raises(ValueError, match=r"only .json, .md, .safetensors, .tsv are read"):
        read_bundle(bundle)


@pytest.mark.parametrize("name", ["weights.pkl", "pytorch_model.bin", "modeling.py", "data"])
def test_a_pickle_beside_the_bundle_is_refused(bundle, name):
    (bundle / name).write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match=rf"{name} does not belong in a bundle"):
        read_bundle(bundle)


@pytest.mark.parametrize("name", [".gitattributes", "LICENSE", "notes.md", "docs/page.html"])
def test_harmless_company_is_let_be(bundle, name):
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_text("x")
    assert read_bundle(bundle).name == "small"


@pytest.mark.parametrize("name", ["genes.tsv", "network.safetensors", "config.json"])
def test_symbolic_links_are_refused(bundle, name):
    outside = bundle.parent / f"outside_{name}"
    (bundle / name).rename(outside)
    (bundle / name).symlink_to(outside)
    with pytest.raises(ValueError, match=r"is a symbolic link to .*cp -rL"):
        read_bundle(bundle)
    assert read_bundle(bundle, link_root=bundle.parent).name == "small"
    with pytest.raises(ValueError, match="is a symbolic link"):
        read_bundle(bundle, link_root=bundle)


def disguise(bundle: Path, data: bytes) -> None:
    (bundle / "network.safetensors").write_bytes(data)
    reseal_file(bundle, "network.safetensors")


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("bomb",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_called_safetensors_is_refused_and_does_not_run(bundle, monkeypatch, protocol):
    monkeypatch.chdir(bundle.parent)
    disguise(bundle, pickle.dumps(Bomb(), protocol=protocol))
    with pytest.raises(ValueError, match="is a pickle, which could run code"):
        read_bundle(bundle)
    assert not (bundle.parent / "bomb").exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_torch_file_called_safetensors_is_refused(bundle, tmp_path, zipped):
    torch.save({"w": torch.ones(2)}, tmp_path / "x", _use_new_zipfile_serialization=zipped)
    disguise(bundle, (tmp_path / "x").read_bytes())
    with pytest.raises(ValueError, match="is a pickle, which could run code"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    "data",
    [
        (2**62).to_bytes(8, "little") + b"{}",
        (2**24 + 1).to_bytes(8, "little") + b" " * (2**24 + 8),
        (3).to_bytes(8, "little") + b"{}",
        b"",
        b"\x02\x00",
    ],
    ids=["enormous", "over the limit", "beyond the end", "empty", "short"],
)
def test_headers_are_bounded(bundle, data):
    disguise(bundle, data)
    with pytest.raises(ValueError, match=r"claims a header of .* at most 16,777,216 are read"):
        read_bundle(bundle)


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_a_header_length_that_looks_like_a_pickle_is_read(bundle, length):
    data = (bundle / "network.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = data[8:start].strip().ljust(length)
    disguise(bundle, length.to_bytes(8, "little") + header + data[start:])
    assert read_bundle(bundle).tensors["network"]["w"].shape == (3, 4)


def test_truncated_tensors_are_refused_even_under_a_matching_checksum(bundle):
    data = (bundle / "network.safetensors").read_bytes()
    disguise(bundle, data[:-4])
    with pytest.raises(ValueError, match=r"network.safetensors cannot be read as safetensors"):
        read_bundle(bundle)


def test_scales_without_rows_are_refused(tmp_path):
    broken = {"network": {"w::scale": torch.ones(3)}}
    write_bundle(tmp_path / "bundle", **PARTS | {"tensors": broken})
    with pytest.raises(ValueError, match="its int8 tensor is missing"):
        read_bundle(tmp_path / "bundle")


def test_writing_replaces_a_bundle_whole(bundle):
    (bundle / "notes.md").write_text("of the old one")
    write_bundle(bundle, **PARTS | {"revision": "r2"})
    assert read_bundle(bundle).revision == "r2"
    assert not (bundle / "notes.md").exists()
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_writing_refuses_to_replace_anything_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("three years")
    with pytest.raises(FileExistsError, match="exists and is not a bundle"):
        write_bundle(tmp_path, **PARTS)
    assert (tmp_path / "thesis.tex").read_text() == "three years"


@pytest.mark.parametrize("part", ["genes", "tensors", "calibration", "config"])
def test_a_failure_while_writing_leaves_the_old_bundle(bundle, part):
    broken = {"tensors": {"network": {"w": "no tensor"}}, "config": {"encoder": object()}}
    with pytest.raises((AttributeError, TypeError)):
        write_bundle(bundle, **PARTS | {part: broken.get(part)})
    assert read_bundle(bundle).revision == "r1"
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


KILLED = """
import os, signal, sys
from pathlib import Path
from scmmgpt_tl.model import _files, bundle
name, step = sys.argv[1:]
kept = getattr(_files, step)
def last_act(*args):
    kept(*args)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(_files, step, last_act)
old = bundle.read_bundle(name)
bundle.write_bundle(
    name, config=old.config, tensors=old.tensors, genes=old.genes, labels=old.labels,
    calibration=old.calibration, text_tokenizer_json="{}", decoder_tokenizer_json="{}",
    card="", name="small", revision="r2", licence="",
)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("step", "revision"), [("write_tensors", "r1"), ("fingerprint", "r1"), ("move_whole", "r2")]
)
def test_a_kill_while_writing_leaves_one_whole_bundle(bundle, step, revision):
    command = [sys.executable, "-c", KILLED, str(bundle), step]
    assert subprocess.run(command, check=False).returncode == -9
    assert read_bundle(bundle).revision == revision


def test_a_moved_bundle_is_the_same_bundle(bundle, tmp_path):
    before = read_bundle(bundle).sha256
    shutil.move(bundle, tmp_path / "elsewhere")
    assert read_bundle(tmp_path / "elsewhere").sha256 == before
