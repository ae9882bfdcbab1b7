from __future__ import annotations

import numpy as np
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl.model.load import load_model
from scmmgpt_tl.tl._labels import resolve_labels
from scmmgpt_tl.train import finetune
from scmmgpt_tl.train._finetune import known_vectors, read_labels


@pytest.fixture
def labelled(counts_adata):
    """Three clusters, two of them under names that the model knows."""
    counts_adata.obs["type"] = counts_adata.obs["cluster"].map(
        {"T": "T cell", "B": "B cell", "mono": "strange cell"}
    )
    return counts_adata


@pytest.fixture
def tuned(labelled, tiny_model):
    with pytest.warns(UserWarning, match="The Cell Ontology has no 'strange cell'"):
        return finetune(labelled, "type", model=tiny_model)


def test_it_learns_the_labels(labelled, tuned):
    assert tuned.labels.names == ("B cell", "T cell", "strange cell")
    assert tuned.labels.cl_ids == ("CL:0000236", "CL:0000084", "")
    np.testing.assert_allclose(np.linalg.norm(tuned.label_embeddings, axis=1), 1, rtol=1e-5)
    scmm.tl.annotate(labelled, model=tuned, threshold=0.0)
    right = labelled.obs["scmm_cell_type"].astype(str) == labelled.obs["type"].astype(str)
    assert (
        right[labelled.obs["scmm_cell_type_reason"] == "ok"].mean() > 0.7
    )  # of random weights; chance is a third


def test_a_few_cells_are_enough(labelled, tiny_model):
    with pytest.warns(UserWarning, match="strange cell"):
        few = finetune(labelled, "type", model=tiny_model, max_cells=2)
    # Too few to calibrate with: the score is the model's.
    assert few.calibration.slope == tiny_model.calibration.slope
    assert few.calibration.fitted_on == ("6 cells of obs['type']",)


def test_the_same_seed_gives_the_same_model(labelled, tiny_model, tuned):
    with pytest.warns(UserWarning, match="strange cell"):
        again = finetune(labelled, "type", model=tiny_model)
    assert again.sha256 == tuned.sha256 != tiny_model.sha256
    np.testing.assert_array_equal(again.label_embeddings, tuned.label_embeddings)


def test_nothing_else_changes(labelled, tiny_model, tuned):
    before = labelled.copy()
    assert tuned.network is tiny_model.network
    assert tuned.name == "tiny-finetuned"
    assert labelled.obs.equals(before.obs)
    assert not labelled.obsm.keys() - before.obsm.keys()


def test_it_is_kept_as_a_bundle(tuned, tmp_path, labelled):
    tuned.save(tmp_path / "bundle")
    again = load_model(tmp_path / "bundle", device="cpu")
    assert again.labels == tuned.labels
    np.testing.assert_array_equal(again.label_embeddings, tuned.label_embeddings)
    first, second = (scmm.tl.annotate(labelled, model=m, copy=True) for m in (tuned, again))
    np.testing.assert_allclose(
        first.obs["scmm_cell_type_score"], second.obs["scmm_cell_type_score"], atol=0.02
    )


def test_labels_start_where_the_model_knows_them(tiny_model):
    cl = scmm.ontology.load()
    labels = resolve_labels(
        ["T cell", "hepatocyte"], own=tiny_model.labels, tissue=None, ontology=cl
    )
    found = known_vectors(labels, tiny_model).numpy()
    own = tiny_model.labels.cl_ids.index("CL:0000182")
    np.testing.assert_allclose(found[1], tiny_model.label_embeddings[own], atol=1e-5)


def test_missing_labels_are_left_out(labelled):
    labelled.obs["type"] = labelled.obs["type"].where(np.arange(60) >= 5)
    names, code = read_labels(labelled, "type")
    assert names == ["B cell", "T cell", "strange cell"]
    assert (code[:5] == -1).all()
    assert (code[5:] >= 0).all()


def test_a_missing_column_is_named(labelled, tiny_model):
    with pytest.raises(
        ValueError, match=r"Did not find .obs\['celltype'\]. Choose `labels_key` from cluster"
    ):
        finetune(labelled, "celltype", model=tiny_model)


def test_one_label_is_not_enough(labelled, tiny_model):
    labelled.obs["type"] = "T cell"
    with pytest.raises(ValueError, match=r"at least two labels, found \['T cell'\]"):
        finetune(labelled, "type", model=tiny_model)
