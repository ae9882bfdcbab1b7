"""Bundles and dictionaries that were tampered with, also by one who seals them again."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scmmgpt_tl.model import _files
from scmmgpt_tl.model.plain_pickle import read_dictionary

from .tampering import changed, edits, load, seal, tampered, withstood

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="memory is bounded by what Linux tells of it"
)

DICTIONARIES = [
    {"<pad>": 0, "ENSG1": 1.5, "ENSG2": "ENSG1"},
    {"ENSG1": np.float64(1.5), "ENSG2": np.float32(2), "ENSG3": np.int64(7)},
    OrderedDict(a=1, b=2),
]
PICKLES = [pickle.dumps(one, protocol=n) for one in DICTIONARIES for n in range(6)]


@pytest.fixture(scope="module")
def bundle(tiny_bundle, tmp_path_factory):
    return shutil.copytree(tiny_bundle, tmp_path_factory.mktemp("tampered") / "bundle")


def test_tampered_bundles_are_read_or_refused(bundle):
    config, names = bundle / "config.json", sorted(path.name for path in bundle.iterdir())

    @tampered
    @given(name=st.sampled_from(names), made=edits(), sealed=st.booleans())
    def try_it(name, made, sealed):
        content = (bundle / name).read_bytes()
        for edit in made:
            content = edit.apply(content)
        with changed(bundle / name, content):
            if not sealed:
                withstood(lambda: load(bundle))
                return
            whole = seal(config, bundle / name)
            if whole is None:
                return
            with changed(config, whole):
                withstood(lambda: load(bundle))

    try_it()


def test_unsealed_changes_are_never_read(bundle):
    names = sorted(path.name for path in bundle.iterdir())

    @tampered
    @given(name=st.sampled_from(names), made=edits())
    def try_it(name, made):
        before = content = (bundle / name).read_bytes()
        for edit in made:
            content = edit.apply(content)
        with changed(bundle / name, content):
            # White space in config.json says nothing.
            same = content == before or (name == "config.json" and _same(content, before))
            assert same or withstood(lambda: load(bundle))

    try_it()


def _same(content: bytes, before: bytes) -> bool:
    try:
        return json.loads(content) == json.loads(before)
    except (ValueError, RecursionError):
        return False


@tampered
@given(program=st.sampled_from(PICKLES), made=edits())
def test_tampered_pickles_are_read_or_refused(tmp_path_factory, program, made):
    path = tmp_path_factory.getbasetemp() / "tampered.pkl"
    for edit in made:
        program = edit.apply(program)
    path.write_bytes(program)
    withstood(lambda: read_dictionary(path))


def test_tampered_headers_are_read_or_refused(bundle):
    path = bundle / "network.safetensors"
    start = path.read_bytes()

    @tampered
    @given(made=edits())
    def try_it(made):
        content = start
        for edit in made:
            content = edit.apply(content)
        with changed(path, content):
            withstood(lambda: _files.read_tensors(path))

    try_it()
