from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import scmmgpt_tl as scmm

KEY = "scmm_comparison"


@pytest.fixture
def compare(tiny_model):
    return lambda adata, a="T", b="B", **more: scmm.tl.compare(
        adata, a, b, **{"groupby": "cluster", "model": tiny_model} | more
    )


def test_every_sentence_has_its_numbers(counts_adata, compare):
    compare(counts_adata)
    found = scmm.get.comparison_df(counts_adata)
    assert len(found) > 3
    assert all(re.search(r"\d", evidence) for evidence in found["evidence"])
    assert set(found["kind"]) <= {"difference", "no difference", "fact", "caution"}
    assert counts_adata.uns[KEY]["account"] == " ".join(found["sentence"])
    sides = counts_adata.obs[KEY].astype(str)
    assert sides.value_counts().to_dict() == {"T": 20, "B": 20, "": 20}


def test_genes_that_were_put_there_are_named(counts_adata, compare):
    compare(counts_adata)
    found = scmm.get.comparison_df(counts_adata)
    genes = found[found["topic"] == "genes"]
    t, b = genes["sentence"]
    assert t.startswith('Higher in "T" than in "B": ')
    assert {"CD3D", "CD3E", "CD3G", "IL7R", "TRAC"} == set(t.split(": ")[1].rstrip(".").split(", "))
    assert {"MS4A1", "CD79A", "CD79B", "CD19"} == set(b.split(": ")[1].rstrip(".").split(", "))
    table = scmm.get.comparison_df(counts_adata, table="differing_genes").set_index("gene")
    numbers = re.search(r"CD3D ([\d.]+)-fold", genes["evidence"].iloc[0])[1]
    assert float(numbers) == pytest.approx(2 ** table.loc["CD3D", "log2_fold"], abs=0.06)


def test_nothing_is_told_of_halves(counts_adata, compare):
    own = counts_adata[counts_adata.obs["cluster"] == "T"].copy()
    own.obs["half"] = np.tile(["one", "two"], 10)
    compare(own, "one", "two", groupby="half")
    found = scmm.get.comparison_df(own)
    assert "difference" not in set(found["kind"])
    assert {"types", "genes"} == set(found.loc[found["kind"] == "no difference", "topic"])


def test_types_of_the_user(counts_adata, compare):
    counts_adata.obs["type"] = counts_adata.obs["cluster"].map(
        {"T": "CD4-positive, alpha-beta T cell", "B": "B cell", "mono": "monocyte"}
    )
    compare(counts_adata, labels_key="type")
    found = scmm.get.comparison_df(counts_adata).set_index("topic")
    sentence = found.loc["ontology", "sentence"]
    assert sentence == (
        '"T" is mostly CD4-positive, alpha-beta T cell, "B" mostly B cell; the closest Cell Ontology '
        "term above both is lymphocyte."
    )
    assert "lymphocyte (CL:0000542)" in found.loc["ontology", "evidence"]
    said = found.loc[["types"], "sentence"].tolist()
    assert 'B cell is rarer in "T" than in "B": 0% against 100% of the cells.' in said


def test_a_type_above_the_other(counts_adata, compare):
    counts_adata.obs["type"] = counts_adata.obs["cluster"].map(
        {"T": "CD4-positive, alpha-beta T cell", "B": "T cell", "mono": "odd one"}
    )
    compare(counts_adata, labels_key="type")
    found = scmm.get.comparison_df(counts_adata).set_index("topic").loc["ontology", "sentence"]
    assert "T cell is above CD4-positive, alpha-beta T cell" in found
    compare(counts_adata, "T", "mono", labels_key="type")
    found = scmm.get.comparison_df(counts_adata).set_index("topic").loc["ontology", "sentence"]
    assert found == '"T" is mostly CD4-positive, alpha-beta T cell, "mono" mostly odd one.'
    counts_adata.obs["type"] = counts_adata.obs["type"].where(np.arange(60) % 3 == 0)
    compare(counts_adata, labels_key="type")
    found = scmm.get.comparison_df(counts_adata).set_index("topic").loc["ontology", "sentence"]
    assert found == "Both groups are mostly cell without a sure type."


def test_two_names_of_one_term(counts_adata, compare):
    counts_adata.obs["type"] = counts_adata.obs["cluster"].map(
        {"T": "T cell", "B": "T lymphocyte", "mono": "monocyte"}
    )
    compare(counts_adata, labels_key="type")
    found = scmm.get.comparison_df(counts_adata).set_index("topic").loc["ontology", "sentence"]
    assert found.endswith("the Cell Ontology has one term for both.")


def test_batches_are_compared(counts_adata, compare):
    counts_adata.obs["cluster"] = pd.Categorical(np.tile(["T", "B"], 30))
    counts_adata.obs["donor"] = np.repeat(["p", "q", "r"], 20)
    compare(counts_adata, batch_key="donor")
    found = scmm.get.comparison_df(counts_adata)
    genes = found.loc[found["topic"] == "genes", "evidence"].iloc[0]
    assert "paired t-test of pseudobulk over 3 batches" in genes
    assert not found["sentence"].str.contains("No batch was named").any()


def test_batches_and_groups_that_cannot_be_told_apart(counts_adata, compare):
    compare(counts_adata, batch_key="cluster")
    found = scmm.get.comparison_df(counts_adata)
    told = found[found["kind"] == "caution"]
    assert told["sentence"].str.contains("no batch holds both groups").any()
    assert told["evidence"].str.contains("2 batches, 0 with both groups; tests over cells").any()
    assert told["sentence"].str.contains("One group is so small").any()


def test_deeper_cells_are_a_caution(counts_adata, compare):
    deep = counts_adata.X.toarray()
    deep[:20] *= 3
    counts_adata.X = deep
    compare(counts_adata)
    told = scmm.get.comparison_df(counts_adata)["sentence"]
    assert told.str.contains('Cells of "T" were sequenced deeper').any()


def test_texts_and_sets_of_the_user(counts_adata, compare):
    compare(
        counts_adata,
        terms=["T cell", "a cell that makes antibodies"],
        gene_sets={"receptor": ["CD3D", "CD3E", "CD3G", "TRAC"], "others": ["ALB", "ACTB", "AIF1"]},
    )
    texts = scmm.get.comparison_df(counts_adata, table="texts")
    assert set(texts["text"]) == {"T cell", "a cell that makes antibodies"}
    sets = scmm.get.comparison_df(counts_adata, table="gene_sets")
    assert set(sets["higher_in"]) == {"a", "b"}
    found = scmm.get.comparison_df(counts_adata)
    told = found.loc[found["topic"] == "gene sets", "sentence"].tolist()
    assert told == [
        'Among the genes higher in "T" are 4 of the set receptor: CD3D, CD3E, CD3G, TRAC.'
    ]
    assert found["sentence"].str.contains("The model was taught kinds of cells").any()


def test_masks_and_the_rest(counts_adata, compare):
    mask = (counts_adata.obs["cluster"] == "T").to_numpy()
    compare(counts_adata, mask, None, groupby=None)
    assert counts_adata.obs[KEY].astype(str).value_counts().to_dict() == {"rest": 40, "a": 20}
    assert counts_adata.uns[KEY]["params"]["a"] == "mask of 20 cells"


def test_cells_that_cannot_be_read_are_left_out(poor_adata, compare):
    compare(poor_adata)
    cells = scmm.get.comparison_df(poor_adata, table="cells").set_index("group")
    assert cells.loc["T", ["n_cells", "n_unread"]].tolist() == [18, 2]
    told = scmm.get.comparison_df(poor_adata)
    assert told["evidence"].str.contains('2 of "T" and 0 of "B"').any()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"a": "nothing"}, "`a` names no group 'nothing'"),
        ({"batch_key": "nothing"}, r"Did not find .obs\['nothing'\] of `batch_key`"),
        ({"labels_key": "nothing"}, r"Did not find .obs\['nothing'\] of `labels_key`"),
        ({"terms": "T cell"}, "`terms` must be a list of texts"),
        ({"terms": [" "]}, "`terms` must be a list of texts, none of them empty"),
        ({"terms": []}, "`terms` is empty"),
        ({"gene_sets": {"one": "CD3D"}}, "`gene_sets` must be a dict of names"),
        ({"gene_sets": {"one": 1}}, "`gene_sets` must be a dict of names"),
        ({"gene_sets": ["CD3D"]}, "`gene_sets` must be a dict of names"),
    ],
)
def test_what_cannot_be_meant_is_refused(counts_adata, compare, more, message):
    with pytest.raises(ValueError, match=message):
        compare(counts_adata, **more)
    assert KEY not in counts_adata.obs
    assert not counts_adata.uns


def test_groups_that_cannot_be_read(counts_adata, compare):
    counts_adata.X = counts_adata.X.toarray()
    counts_adata.X[:20] = 0
    with pytest.raises(ValueError, match="Fewer than 3 cells of 'T' express genes enough"):
        compare(counts_adata)


def test_tables_that_are_not_there(counts_adata, compare):
    with pytest.raises(ValueError, match=r"Run `scmm.tl.compare` first"):
        scmm.get.comparison_df(counts_adata)
    compare(counts_adata)
    with pytest.raises(ValueError, match="There is no table 'nothing'. Choose from 'statements'"):
        scmm.get.comparison_df(counts_adata, table="nothing")
