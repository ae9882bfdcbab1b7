from __future__ import annotations

import struct
from argparse import Namespace
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, is_zipfile

import pytest
import torch
from safetensors.torch import save_file

from scmmgpt_tl.model.checkpoint import read_plain, read_state, rename

STATE = {"a.weight": torch.tensor([1.5, 2.0]), "n": torch.tensor(3)}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model_state_dict": STATE},
        {f"module.{key}": part for key, part in STATE.items()},
        {key: part.half() if key != "n" else part for key, part in STATE.items()},
    ],
    ids=["plain", "lightning", "scBERT", "parallel", "half"],
)
def test_where_the_tensors_are(tmp_path, content):
    torch.save(content, tmp_path / "weights.pt")
    found = read_state(tmp_path / "weights.pt")
    assert found.keys() == STATE.keys()
    assert found["a.weight"].dtype == torch.float32
    assert found["a.weight"].tolist() == [1.5, 2.0]
    assert found["n"].dtype == torch.int64


def test_safetensors(tmp_path):
    save_file(STATE, tmp_path / "weights.safetensors")
    assert read_state(tmp_path / "weights.safetensors")["a.weight"].tolist() == [1.5, 2.0]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"args": Namespace(x=1), **STATE}, "cannot be read as tensors alone"),
        ({"epoch": 3, **STATE}, "holds things that are no tensors: 'epoch'"),
        ([1, 2], "holds no state dict, but list"),
        ({}, "holds no state dict"),
    ],
)
def test_anything_else_is_refused(tmp_path, content, match):
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=match):
        read_state(tmp_path / "weights.pt")


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_damaged_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match="cannot be read as"):
        read_state(tmp_path / name)


def test_an_archive_of_several_disks_is_damaged(tmp_path):
    """Found by fuzzing: the search for the end of an archive fails by itself."""
    path = tmp_path / "weights.bin"
    # End of a large archive, whose first part says that it lies on another disk; end of an archive.
    path.write_bytes(struct.pack("<4sLQL", b"PK\x06\x07", 1, 0, 2) + b"PK\x05\x06" + bytes(18))
    with pytest.raises(BadZipFile, match="multiple disks"):
        is_zipfile(path)
    with pytest.raises(ValueError, match="is a damaged archive .*multiple disks"):
        read_plain(path)


def test_compressed_archives_are_refused(tmp_path):
    """A few bytes of them may become any number of gigabytes."""
    torch.save(STATE, tmp_path / "whole.pt")
    with (
        ZipFile(tmp_path / "whole.pt") as whole,
        ZipFile(tmp_path / "packed.pt", "w", ZIP_DEFLATED) as packed,
    ):
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    with pytest.raises(ValueError, match="is compressed, which torch.save never does"):
        read_state(tmp_path / "packed.pt")


def test_rename_refuses_two_of_a_name():
    with pytest.raises(ValueError, match="Two tensors of the checkpoint mean 'n', the second is"):
        rename({"n": STATE["n"], "m": STATE["n"]}, [("^m$", "n")])


@pytest.mark.parametrize("zipped", [True, False])
def test_only_what_is_wanted_is_read(tmp_path, zipped):
    path = tmp_path / "last.ckpt"
    state = {"module.a.w": torch.ones(2), "b.w": torch.ones(3), "c": "no tensor"}
    whole = {"state_dict": state, "hyper_parameters": Namespace(lr=0.1)}
    torch.save(whole, path, _use_new_zipfile_serialization=zipped)
    assert {key: len(part) for key, part in read_state(path, beginning=("a.",)).items()} == {
        "a.w": 2
    }
    with pytest.raises(ValueError, match="things that are no tensors: 'c'"):
        read_state(path, beginning=("a.", "c"))
