"""Asking proteins about labels that were made from RNA."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from scipy.sparse import csr_matrix

import scmmgpt_tl as scmm

from .conftest import assert_same

KEY, CD4, CD8 = (
    "scmm_cell_type_protein",
    *(f"{name}-positive, alpha-beta T cell" for name in ("CD4", "CD8")),
)


@pytest.fixture
def asked(cite_adata, tiny_model):
    scmm.tl.proteins(cite_adata, joint=True, model=tiny_model)
    return cite_adata


@pytest.fixture
def mdata(cite_adata):
    """The same cells as a MuData whose protein modality has other cells, in another order."""
    mudata = pytest.importorskip("mudata")
    counts = cite_adata.obsm.pop("protein_expression")
    rows = np.random.default_rng(0).permutation(60)[:57]
    proteins = AnnData(
        csr_matrix(counts.to_numpy(np.float32)[rows]),
        obs=pd.DataFrame(index=counts.index[rows]),
        var=pd.DataFrame(index=counts.columns),
    )
    old = hasattr(mudata, "set_options")
    with mudata.set_options(pull_on_update=False) if old else nullcontext():
        yield mudata.MuData({"rna": cite_adata, "prot": proteins})


def test_disagreement_is_shown_beside_the_label(asked):
    before = asked.obs["cluster"].astype(str)
    cd8 = np.zeros(60, dtype=bool)
    cd8[10:20] = True
    assert (before[cd8] == "T").all()
    assert (asked.obs["scmm_cell_type"][cd8] == CD4).all()
    assert (asked.obs[KEY][cd8] == "disagrees").all()
    assert (asked.obs[KEY][~cd8] == "supports").all()
    assert (asked.obs[f"{KEY}_against"][cd8] == "CD4 absent; CD8 present").all()
    assert (asked.obs[f"{KEY}_against"][~cd8] == "").all()
    assert (asked.obs[f"{KEY}_rival"][cd8] == CD8).all()
    assert asked.obs[f"{KEY}_score"][cd8].max() < 0.1
    assert asked.obs[f"{KEY}_score"][~cd8].min() > 0.9


def _beside(cells, folder):
    cells.write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


def _chunked(cells, folder):
    cells.write_zarr(folder / "cells.zarr")
    return folder / "cells.zarr"


def _named_in_uns(cells, folder):
    counts = cells.obsm["protein_expression"]
    cells.obsm["protein_expression"] = counts.to_numpy()
    cells.uns["protein_names"] = list(counts.columns)
    return _beside(cells, folder)


@pytest.mark.filterwarnings("ignore:zarr v3 autosharding", "ignore:Consolidated metadata")
@pytest.mark.parametrize("store", [_beside, _chunked, _named_in_uns])
def test_paths(cite_adata, tiny_model, tmp_path, store):
    path = store(cite_adata, tmp_path)
    scmm.tl.proteins(cite_adata, joint=True, model=tiny_model)
    scmm.tl.proteins([path], joint=True, model=tiny_model)
    found = read_h5ad(tmp_path / "cells.scmm.h5ad")
    here = AnnData(
        obs=cite_adata.obs[[key for key in cite_adata.obs if key.startswith(KEY)]],
        obsm={key: cite_adata.obsm[key] for key in (KEY, f"{KEY}_joint_scores")},
        uns={key: cite_adata.uns[key] for key in (KEY, f"{KEY}_joint")},
    )
    assert_same(here, found, exact=False)


def test_path_of_modalities(mdata, tmp_path):
    path = tmp_path / "cells.h5mu"
    mdata.write_h5mu(path)
    found = scmm.tl.proteins(path, copy=True)
    scmm.tl.proteins(mdata)
    assert found.obs[KEY].tolist() == mdata["rna"].obs[KEY].tolist()
    assert (found.obs[KEY] == "silent").sum() == 3
    with pytest.raises(ValueError, match="no modality 'adt'"):
        scmm.tl.proteins(path, protein_mod="adt")


def test_joint_answer_and_flag(asked):
    joint = scmm.get.annotation_df(asked, key=f"{KEY}_joint")
    assert (joint["label"][10:20] == CD8).all()
    assert (joint["label"][:10] == CD4).all()
    others = np.r_[:10, 20:60]
    before = asked.obs["scmm_cell_type"].astype(str)
    assert (joint["label"].astype(str) == before).iloc[others].all()
    p = asked.obsm[f"{KEY}_joint_scores"].to_numpy()
    np.testing.assert_allclose(p.sum(1), asked.obsm["scmm_cell_type_scores"].sum(axis=1), rtol=1e-5)


def test_joint_odds_are_those_of_rna_times_those_of_the_proteins(asked):
    p = asked.obsm[f"{KEY}_joint_scores"].iloc[15]
    # 0.7 and 0.1 by RNA; CD4 and CD8 speak for the other one, with 19 to 1 each.
    assert p[CD8] / p[CD4] == pytest.approx(19**2 * 0.1 / 0.7, rel=0.02)


def test_record(asked):
    record = asked.uns[KEY]
    antibodies = record["antibodies"].set_index("antibody")
    assert antibodies["role"].to_dict() == {
        "CD3_TotalSeqB": "witness",
        "CD4_TotalSeqB": "witness",
        "CD8a_TotalSeqB": "witness",
        "CD19_TotalSeqB": "witness",
        "CD14_TotalSeqB": "witness",
        "IgG1_control": "isotype control",
        "Mystery": "unknown name",
    }
    assert antibodies.loc["CD3_TotalSeqB", "genes"] == "CD3D, CD3E, CD3G"
    splits = record["splits"].set_index("antibody")
    assert splits.loc["CD3_TotalSeqB", "share"] == pytest.approx(1 / 3)
    assert splits.loc["Mystery", "split"] != "split"
    assert "IgG1_control" not in splits.index
    labels = record["labels"].set_index("label")
    assert labels.loc[CD4, ["n_cells", "supports", "disagrees", "silent"]].tolist() == [
        20,
        10,
        10,
        0,
    ]
    assert labels.loc[CD4, "against"] == "CD4 absent (10); CD8 present (10)"
    assert labels.loc[CD4, "rival"] == f"{CD8} (10)"
    assert record["expected"].set_index("label").loc[CD4, ["CD4", "CD8"]].tolist() == [1, -1]
    assert record["params"]["slot"] == "obsm['protein_expression']"
    assert record["params"]["values"] == "counts"
    assert asked.obsm[KEY].shape == (60, 5)


def test_annotation_stays_as_it_is(cite_adata):
    before = cite_adata.copy()
    assert scmm.tl.proteins(cite_adata) is None
    for column in before.obs:
        assert cite_adata.obs[column].equals(before.obs[column])
    assert set(cite_adata.uns) - set(before.uns) == {KEY}
    assert set(cite_adata.obsm) - set(before.obsm) == {KEY}


def test_copy_and_keys(cite_adata):
    before = cite_adata.copy()
    found = scmm.tl.proteins(cite_adata, key_added="mine", copy=True)
    assert_same(before, cite_adata)
    assert "mine_against" in found.obs
    with pytest.raises(ValueError, match="`key_added` must be a non-empty string"):
        scmm.tl.proteins(cite_adata, key_added="a/b")


def test_order_of_cells_does_not_matter(cite_adata):
    shuffled = cite_adata[np.random.default_rng(0).permutation(60)].copy()
    scmm.tl.proteins(cite_adata)
    scmm.tl.proteins(shuffled)
    back = shuffled[cite_adata.obs_names].copy()
    pd.testing.assert_frame_equal(cite_adata.obs, back.obs, check_categorical=False)


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
def test_results_survive_a_file(asked, tmp_path):
    asked.write_h5ad(tmp_path / "x.h5ad")
    assert_same(asked, read_h5ad(tmp_path / "x.h5ad"))


def test_cells_of_a_mudata_are_matched_by_name(mdata, cite_adata):
    scmm.tl.proteins(mdata)
    rna = mdata["rna"]
    missing = ~rna.obs_names.isin(mdata["prot"].obs_names)
    assert missing.sum() == 3
    assert (rna.obs[KEY][missing] == "silent").all()
    assert (rna.obs[f"{KEY}_score"][missing] == 0.5).all()
    verdict = rna.obs[KEY][~missing]
    expected = np.where(
        np.isin(np.flatnonzero(~missing), np.arange(10, 20)), "disagrees", "supports"
    )
    assert (verdict == expected).all()
    assert rna.uns[KEY]["params"]["slot"] == "mod['prot']"
    assert not mdata["prot"].uns


def test_layer_and_name_of_the_modality(mdata):
    mudata = pytest.importorskip("mudata")
    prot = mdata["prot"].copy()
    prot.layers["counts"] = prot.X.copy()
    prot.X = prot.X * 0
    other = mudata.MuData({"rna": mdata["rna"].copy(), "surface": prot})
    scmm.tl.proteins(other, protein_mod="surface", layer="counts")
    assert (other["rna"].obs[KEY] == "disagrees").sum() > 5
    with pytest.raises(ValueError, match=r"no modality 'x'. Pass `protein_mod=` as one of"):
        scmm.tl.proteins(other, protein_mod="x")
    with pytest.raises(ValueError, match="no modality called prot, protein"):
        scmm.tl.proteins(other)
    with pytest.raises(ValueError, match="no layer 'x'"):
        scmm.tl.proteins(other, protein_mod="surface", layer="x")


def test_cells_that_are_not_those_of_the_annotation(mdata):
    mudata = pytest.importorskip("mudata")
    prot = mdata["prot"].copy()
    prot.obs_names = [f"other-{name}" for name in prot.obs_names]
    other = mudata.MuData({"rna": mdata["rna"].copy(), "prot": prot})
    with pytest.raises(ValueError, match="No cell of the annotation is in the modality 'prot'"):
        scmm.tl.proteins(other)


def test_antibodies_among_the_genes(cite_adata, tmp_path):
    scmm.tl.proteins(cite_adata)
    counts = cite_adata.obsm.pop("protein_expression")
    both = AnnData(
        csr_matrix(np.hstack([cite_adata.X.toarray(), counts.to_numpy(np.float32)])),
        obs=cite_adata.obs.drop(columns=[c for c in cite_adata.obs if c.startswith(KEY)]),
        var=pd.DataFrame(
            {"feature_types": ["Gene Expression"] * 303 + ["Antibody Capture"] * 7},
            index=[*cite_adata.var_names, *counts],
        ),
        obsm={"scmm_cell_type_scores": cite_adata.obsm["scmm_cell_type_scores"]},
        uns={"scmm_cell_type": cite_adata.uns["scmm_cell_type"]},
    )
    path = _beside(both, tmp_path)
    scmm.tl.proteins(both)
    assert both.obs[KEY].equals(cite_adata.obs[KEY])
    of_path = scmm.tl.proteins(path, copy=True)
    assert of_path.uns[KEY]["params"]["slot"] == "var['feature_types']"
    assert of_path.obs[KEY].tolist() == both.obs[KEY].tolist()


def test_array_with_names_aside(cite_adata):
    other = cite_adata.copy()
    frame = other.obsm["protein_expression"]
    other.uns["protein_names"] = np.array(frame.columns)
    other.obsm["adt"] = csr_matrix(frame.to_numpy())
    scmm.tl.proteins(cite_adata)
    scmm.tl.proteins(other, protein_key="adt")
    assert other.obs[KEY].equals(cite_adata.obs[KEY])
    other.uns["protein_names"] = ["CD3"]
    with pytest.raises(ValueError, match=r"has shape \(60, 7\), but there are 1 names"):
        scmm.tl.proteins(other, protein_key="adt")
    del other.uns["protein_names"]
    with pytest.raises(ValueError, match=r"have no names. Make it a DataFrame"):
        scmm.tl.proteins(other, protein_key="adt")


def test_normalised_values_are_taken_as_they_are(cite_adata):
    frame = np.log1p(cite_adata.obsm["protein_expression"]) - 3
    cite_adata.obsm["protein_expression"] = frame
    scmm.tl.proteins(cite_adata)
    assert cite_adata.uns[KEY]["params"]["values"] == "normalised"
    assert (cite_adata.obs[KEY] == "disagrees").to_numpy().nonzero()[0].tolist() == list(
        range(10, 20)
    )


def test_samples_are_split_by_themselves(cite_adata):
    twice = cite_adata.copy()
    twice.obs_names = [f"{name}-2" for name in twice.obs_names]
    # Stained ten times as strongly: what is background here is much there.
    twice.obsm["protein_expression"] *= 10
    import anndata

    both = anndata.concat([cite_adata, twice], label="sample", keys=["one", "two"])
    both.uns["scmm_cell_type"] = cite_adata.uns["scmm_cell_type"]
    scmm.tl.proteins(both, batch_key="sample")
    assert set(both.uns[KEY]["splits"]["batch"]) == {"one", "two"}
    odd = (both.obs[KEY] == "disagrees").to_numpy()
    assert odd.nonzero()[0].tolist() == [*range(10, 20), *range(70, 80)]
    with pytest.raises(ValueError, match=r"Did not find .obs\['x'\]. Choose `batch_key`"):
        scmm.tl.proteins(both, batch_key="x")


def test_unknown_cells_and_labels_without_term_are_silent(cite_adata):
    labels = cite_adata.obs["scmm_cell_type"].astype(str).to_numpy(dtype=object)
    ids = cite_adata.obs["scmm_cell_type_cl"].astype(str).to_numpy(dtype=object)
    labels[:5], ids[:5] = "unknown", ""
    labels[5:10], ids[5:10] = "my own type", ""
    cite_adata.obs["scmm_cell_type"] = pd.Categorical(labels)
    cite_adata.obs["scmm_cell_type_cl"] = pd.Categorical(ids)
    scmm.tl.proteins(cite_adata)
    assert (cite_adata.obs[KEY][:10] == "silent").all()
    assert (cite_adata.obs[f"{KEY}_score"][:10] == 0.5).all()


def test_two_antibodies_of_one_protein_count_once(cite_adata):
    frame = cite_adata.obsm["protein_expression"]
    other = cite_adata.copy()
    other.obsm["protein_expression"] = frame.assign(
        **{"CD8b-missing": 0, "CD8-1": frame["CD8a_TotalSeqB"]}
    )
    scmm.tl.proteins(other)
    assert other.obsm[KEY].shape[1] == 6
    assert list(other.uns[KEY]["expected"]).count("CD8") == 1
    assert (other.obs[f"{KEY}_against"][10:20] == "CD4 absent; CD8 present").all()


def test_few_cells_say_nothing(cite_adata):
    few = cite_adata[:40].copy()
    scmm.tl.proteins(few)
    assert (few.obs[KEY] == "silent").all()
    assert (few.uns[KEY]["splits"]["split"] == "few cells").all()
    assert few.obsm[KEY].shape == (40, 0)


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        (["IgG1", "IgG2a-control", "Rat-IgG2b"], "None of the 3 antibodies .* no isotype control"),
        (["a", "b", "c"], r"None of the 3 antibodies .*: a, b, c. Rename them"),
        (["CD3", "CD3", "CD4"], r"share names: \['CD3'\]"),
        ([], "There are no antibodies"),
    ],
)
def test_panels_that_say_nothing(cite_adata, columns, match):
    frame = pd.DataFrame(np.ones((60, len(columns))), cite_adata.obs_names, columns)
    cite_adata.obsm["adt"] = frame
    before = cite_adata.copy()
    with pytest.raises(ValueError, match=match):
        scmm.tl.proteins(cite_adata, protein_key="adt")
    assert_same(before, cite_adata)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_missing(cite_adata, value):
    frame = cite_adata.obsm["protein_expression"].astype(float)
    frame.iloc[3, 2] = value
    cite_adata.obsm["protein_expression"] = frame
    with pytest.raises(ValueError, match="NaN or infinite values in single antibodies"):
        scmm.tl.proteins(cite_adata)


def test_texts_instead_of_numbers(cite_adata):
    frame = cite_adata.obsm["protein_expression"].astype(str) + "x"
    cite_adata.obsm["protein_expression"] = frame
    with pytest.raises(ValueError, match="must hold numbers"):
        scmm.tl.proteins(cite_adata)


def test_bad_arguments(cite_adata, counts_adata, tiny_model):
    with pytest.raises(TypeError, match="`protein_mod='prot'` picks a modality of a MuData"):
        scmm.tl.proteins(cite_adata, protein_mod="prot")
    with pytest.raises(ValueError, match="not both"):
        scmm.tl.proteins(cite_adata, protein_mod="prot", protein_key="adt")
    with pytest.raises(ValueError, match=r"Did not find `adata.obsm\['adt'\]`"):
        scmm.tl.proteins(cite_adata, protein_key="adt")
    with pytest.raises(ValueError, match="Run `scmm.tl.annotate` first"):
        scmm.tl.proteins(cite_adata, key="other")
    del cite_adata.obsm["protein_expression"]
    with pytest.raises(ValueError, match="Found no proteins"):
        scmm.tl.proteins(cite_adata)


def test_joint_needs_the_model_of_the_annotation(cite_adata):
    with pytest.raises(ValueError, match="was made with the model tiny"):
        scmm.tl.proteins(cite_adata, joint=True)
    assert KEY not in cite_adata.uns


def test_joint_leaves_cells_unknown_that_cannot_be_read(cite_adata, tiny_model):
    reason = cite_adata.obs["scmm_cell_type_reason"].astype(str).to_numpy(dtype=object)
    reason[0] = "no counts"
    cite_adata.obs["scmm_cell_type_reason"] = pd.Categorical(reason)
    scmm.tl.proteins(cite_adata, joint=True, model=tiny_model)
    joint = scmm.get.annotation_df(cite_adata, key=f"{KEY}_joint")
    assert joint["label"].iloc[0] == "unknown"
    assert joint["reason"].iloc[0] == "no counts"
    assert (joint["reason"].iloc[1:] == "ok").all()


def test_joint_keeps_the_level(cite_adata, tiny_model):
    cite_adata.uns["scmm_cell_type"]["params"]["level"] = ["T cell", "B cell", "monocyte"]
    scmm.tl.proteins(cite_adata, joint=True, model=tiny_model)
    joint = scmm.get.annotation_df(cite_adata, key=f"{KEY}_joint")["label"]
    assert set(joint.astype(str)) == {"T cell", "B cell", "monocyte"}


def test_an_annotation_that_was_refined_in_another_space(cite_adata, tiny_model):
    cite_adata.obsm["X_totalVI"] = np.log1p(cite_adata.obsm["protein_expression"].to_numpy())
    scmm.tl.refine(cite_adata, use_rep="X_totalVI", threshold=0.0, model=tiny_model)
    scmm.tl.proteins(cite_adata, key="scmm_refined", joint=True, model=tiny_model)
    assert cite_adata.uns["scmm_refined_protein"]["params"]["key"] == "scmm_refined"
    assert "scmm_refined_protein_joint" in cite_adata.obs


def test_shipped_cells():
    adata = scmm.datasets.pbmc_cite()
    scmm.tl.annotate(adata, [CD4, CD8, "B cell", "natural killer cell", "monocyte"], threshold=0.0)
    scmm.tl.proteins(adata)
    table = scmm.get.protein_df(adata, table="labels").set_index("label")
    # Monocytes and B cells are known by their RNA; of T cells, proteins know better.
    assert table.loc["B cell", "disagrees"] / table.loc["B cell", "n_cells"] <= 1 / 8
    assert table["supports"].sum() > 160
    assert f"{CD8} " in table.loc[CD4, "rival"]
    assert "unknown name" not in set(scmm.get.protein_df(adata, table="antibodies")["role"])
