from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from scmmgpt_tl import ontology
from scmmgpt_tl.model.labels import LabelTable
from scmmgpt_tl.tl._labels import embed_labels, embed_wordings, resolve_labels

OWN = LabelTable(
    ("T cell", "hepatocyte", "Kupffer cell"),
    ("CL:0000084", "CL:0000182", "CL:0000091"),
    ((), ("liver",), ("liver", "blood")),
)


def resolve(labels=None, *, tissue=None):
    return resolve_labels(labels, own=OWN, tissue=tissue, ontology=ontology.load())


def test_own_labels():
    labels = resolve()
    assert labels.names == OWN.names
    assert labels.rows == (0, 1, 2)


@pytest.mark.parametrize(
    ("tissue", "rows"),
    [("Blood", (0, 2)), (["liver"], (0, 1, 2)), (["blood", "liver"], (0, 1, 2))],
)
def test_tissue_restricts_own_labels(tissue, rows):
    assert resolve(tissue=tissue).rows == rows


def test_unknown_tissue():
    match = r"knows no tissue 'moon'. `tissue` can be any of blood, liver"
    with pytest.raises(ValueError, match=match):
        resolve(tissue="moon")


def test_names_and_ids():
    labels = resolve(["B cells", "CL:0000084", "CL_0000623"])
    assert labels.names == ("B cells", "T cell", "natural killer cell")
    assert labels.cl_ids == ("CL:0000236", "CL:0000084", "CL:0000623")
    assert labels.wordings[0][0] == "B cell"
    assert labels.wordings[0][1].startswith("B cell: A lymphocyte of B lineage")


def test_two_labels_of_one_term_keep_their_own_words():
    labels = resolve(["fibroblast", "CAF", "B cell"])
    assert labels.cl_ids[0] == labels.cl_ids[1] == "CL:0000057"
    assert [texts[0] for texts in labels.wordings] == ["fibroblast", "CAF", "B cell"]


def test_own_words():
    labels = resolve({"B cells": "They make antibodies.", "odd ones": "They glow."})
    assert labels.cl_ids == ("CL:0000236", "")
    assert labels.wordings[1] == ("They glow.", "odd ones: They glow.")
    assert labels.descriptions == ("They make antibodies.", "They glow.")


def test_unknown_name_is_used_as_written():
    with pytest.warns(UserWarning, match=r"has no 'T-lik cel' \(did you mean 'T cell'"):
        labels = resolve(["T-lik cel", "B cell"])
    assert labels.cl_ids == ("", "CL:0000236")
    assert labels.wordings[0] == ("T-lik cel",)
    assert labels.kinds == ((), ("CL:0000236",))


def test_unknown_name_that_holds_a_known_one_says_what_it_is_taken_for():
    with pytest.warns(UserWarning, match=r"'glowing CD8 T cell' \(taken for some CD8-positive"):
        labels = resolve(["glowing CD8 T cell", "B cell"])
    assert labels.cl_ids == ("", "CL:0000236")
    assert labels.wordings[0] == ("glowing CD8 T cell",)
    assert labels.kinds[0] == ("CL:0000625",)


@pytest.mark.parametrize(
    ("labels", "error", "match"),
    [
        pytest.param("T cell", TypeError, r"not one string. Use \['T cell', ...\]", id="string"),
        pytest.param(["T cell", 3], TypeError, "strings only, not 3", id="number"),
        pytest.param({"T cell": None, "B": "b"}, TypeError, "strings only, not None", id="none"),
        pytest.param([], ValueError, r"holds 0 label\(s\)", id="empty"),
        pytest.param(["T cell"], ValueError, "use `scmm.tl.search`", id="one"),
        pytest.param(["T cell", " "], ValueError, "an empty name", id="blank"),
        pytest.param(
            {"T cell": "", "B": "b"}, ValueError, "an empty name or desc", id="blank-text"
        ),
        pytest.param(["B", "B "], ValueError, "names 'B' more than once", id="twice"),
        pytest.param(["T cell", "CL:0000084"], ValueError, "'T cell' more than once", id="same-id"),
        pytest.param(["T cell", "unknown"], ValueError, "holds 'unknown'", id="reserved"),
        pytest.param(
            ["T cell", "CL:9999999"], ValueError, "'CL:9999999' is not a term", id="no-id"
        ),
    ],
)
def test_labels_that_cannot_be_meant(labels, error, match):
    with pytest.raises(error, match=match):
        resolve(labels)


def test_wordings_are_averaged_to_unit_length():
    vectors = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [0.6, 0.8]}
    model = SimpleNamespace(
        embed_text=lambda texts: np.array([vectors[text] for text in texts], dtype=np.float32)
    )
    found = embed_wordings([("a", "b"), ("c",)], model)
    np.testing.assert_allclose(found, [[0.5**0.5, 0.5**0.5], [0.6, 0.8]], rtol=1e-6)
    assert found.dtype == np.float32


def test_own_labels_use_the_model_s_embeddings(tiny_model):
    labels = resolve_labels(None, own=tiny_model.labels, tissue="liver", ontology=ontology.load())
    found = embed_labels(labels, tiny_model)
    np.testing.assert_array_equal(found, tiny_model.label_embeddings[list(labels.rows)])
