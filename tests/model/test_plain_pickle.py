from __future__ import annotations

import json
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from scmmgpt_tl.model.plain_pickle import read_dictionary


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "content",
    [
        {"<pad>": 0, "ENSG1": 1.5, "ENSG2": "ENSG1"},
        {"ENSG1": np.float64(1.5), "ENSG2": np.float32(2), "ENSG3": np.int64(7)},
        OrderedDict(a=1, b=2),
    ],
    ids=["plain", "numpy", "ordered"],
)
def test_texts_and_numbers(tmp_path, content, protocol):
    if protocol < 3 and isinstance(next(iter(content.values())), np.number):
        pytest.skip("Python 2 wrote bytes as a call")
    (tmp_path / "genes.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    assert read_dictionary(tmp_path / "genes.pkl") == content


def test_json(tmp_path):
    (tmp_path / "genes.json").write_text(json.dumps({"ENSG1": 2}))
    assert read_dictionary(tmp_path / "genes.json") == {"ENSG1": 2}


class Calls:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "make",
    [
        lambda trace: {"a": Calls(os.system, f"touch {trace}")},
        lambda trace: {"a": Calls(Path.touch, trace)},
        lambda trace: Calls(eval, f"open({str(trace)!r}, 'w')"),
        lambda trace: {"a": Calls(getattr, trace, "touch")},
        lambda trace: {Calls(exec, f"open({str(trace)!r}, 'w')"): 1},
    ],
    ids=["system", "method", "eval", "getattr", "key"],
)
def test_nothing_is_called(tmp_path, make, protocol):
    trace = tmp_path / "trace"
    (tmp_path / "genes.pkl").write_bytes(pickle.dumps(make(trace), protocol=protocol))
    with pytest.raises(ValueError, match="is refused: it asks for"):
        read_dictionary(tmp_path / "genes.pkl")
    assert not trace.exists()


@pytest.mark.parametrize("content", [[1], {"a": [1]}, {1: "a"}, {"a": None}, {"a": b"x"}])
def test_other_content_is_refused(tmp_path, content):
    (tmp_path / "genes.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match="dictionary from names|is refused"):
        read_dictionary(tmp_path / "genes.pkl")


@pytest.mark.parametrize("name", ["genes.pkl", "genes.json"])
def test_damaged_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04 nothing")
    with pytest.raises(ValueError, match="is refused|is not JSON"):
        read_dictionary(tmp_path / name)


# Each in a few bytes: what unpickling it would cost, without a check, is all memory or all time.
BOMBS = {
    "a table of what is remembered": b"\x80\x02}r\xff\xff\xff\x1f.",
    "a tuple of two tuples of two tuples": b"\x80\x02}))" + b"\x86q\x00h\x00" * 60 + b"\x86K\x01s.",
    "the same, behind what changes nothing": b"\x80\x02}))"
    + b"\x86Nbq\x00h\x00" * 60
    + b"\x86K\x01s.",
    "the same, remembered twice": b"\x80\x04}K\x01q\x00q\x00K\x02))"
    + b"\x86\x94h\x01" * 60
    + b"\x86K\x01s.",
    "copies": b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s.",
    "a number of two gigabytes": b"\x80\x02}U\x01acnumpy.core.multiarray\nscalar\n"
    b"cnumpy\ndtype\nU\x0bV2000000000\x85R\x85Rs.",
}


@pytest.mark.parametrize("program", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused(tmp_path, program):
    (tmp_path / "genes.pkl").write_bytes(program)
    with pytest.raises(ValueError, match="is refused: it (remembers|does|asks)"):
        read_dictionary(tmp_path / "genes.pkl")
