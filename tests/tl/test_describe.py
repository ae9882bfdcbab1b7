from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

import scmmgpt_tl as scmm
from scmmgpt_tl import ontology
from scmmgpt_tl.model.prompts import LINEAGE_TERMS

WRONG = "These cells are neurons."  # which the tiny model knows nothing of
#: Stands, in what the scripted decoder says, for a true sentence about the cells of the prompt.
TRUE = "<true>"


def true_sentence(lineage):
    *_, parent, label = lineage.split(" > ")
    return f"These cells are best described as {label}, a kind of {parent}."


def answer_prompt(answer, prompt):
    lineage = re.search(r"Lineage: (.+?)\. Definition: ", prompt)
    return answer.replace(TRUE, true_sentence(lineage[1])) if TRUE in answer else answer


@pytest.fixture
def scripted(tiny_model):
    """The tiny model with a decoder that says what it is told to, and the prompts it got."""

    def make(*answers):
        prompts: list[str] = []

        class Scripted(type(tiny_model)):
            def describe(self, queries, prompts_, *, rng, n_candidates=1, **_):
                assert queries.shape[0] == len(prompts_)
                prompts.extend(prompts_)
                drawn = answers[1:] and [answers[i] for i in rng.integers(1, len(answers), 4)]
                said = [answers[0], *drawn][:n_candidates]
                return [[answer_prompt(text, prompt) for text in said] for prompt in prompts_]

        fields = {f.name: getattr(tiny_model, f.name) for f in dataclasses.fields(tiny_model)}
        return Scripted(**fields), prompts

    return make


@pytest.fixture
def annotated(counts_adata, tiny_model):
    """What `annotate` makes of the groups, with the lineage: random weights may say anything."""
    adata, cl = counts_adata.copy(), ontology.load()
    scmm.tl.annotate(adata, groupby="cluster", model=tiny_model, threshold=0)
    table = scmm.get.annotation_df(adata, groups=True)
    lineage = [" > ".join(map(cl.name, cl.lineage(key))) for key in table["cl_id"]]
    true = [true_sentence(line) for line in lineage]
    return table.assign(lineage=lineage, true=true).set_index("group")


def describe(adata, model, **more):
    scmm.tl.describe(adata, "cluster", model=model, threshold=0, **more)
    return scmm.get.description_df(adata).set_index("group", drop=False)


def test_decoder_text_is_kept(counts_adata, scripted, annotated):
    model, prompts = scripted(TRUE)
    table = describe(counts_adata, model)
    assert table["label"].to_dict() == annotated["label"].to_dict()
    assert table["description"].to_dict() == annotated["true"].to_dict()
    assert set(table["written_by"]) == {"decoder"}
    of_cells = counts_adata.obs["cluster"].astype(str).map(annotated["true"])
    assert counts_adata.obs["scmm_description"].tolist() == of_cells.tolist()
    label, lineage = annotated.loc[table["group"].iloc[0], ["label", "lineage"]]
    shown = " > ".join(lineage.split(" > ")[-LINEAGE_TERMS:])
    assert prompts[0].startswith(f"Cell type: {label}. Lineage: {shown}. Definition: ")
    assert prompts[0].endswith("Tissue: not stated. Description:")


def test_evidence(counts_adata, scripted, annotated):
    model, _ = scripted(TRUE)
    table = describe(counts_adata, model)
    assert set(table.loc["T", "top_genes"].split(", ")[:5]) == {
        "CD3D",
        "CD3E",
        "CD3G",
        "IL7R",
        "TRAC",
    }
    assert table["lineage"].to_dict() == annotated["lineage"].to_dict()
    label = re.escape(annotated.loc["T", "label"])
    assert re.match(rf"{label} \([01]\.\d\d\); ", table.loc["T", "top_terms"])
    assert table["n_cells"].tolist() == [20, 20, 20]


def test_the_names_of_groups_are_never_shown(counts_adata, scripted):
    counts_adata.obs["cluster"] = counts_adata.obs["cluster"].cat.rename_categories(
        {"T": "SECRET_T", "B": "SECRET_B", "mono": "SECRET_M"}
    )
    model, prompts = scripted(TRUE)
    describe(counts_adata, model)
    assert not any("SECRET" in prompt for prompt in prompts)


def test_a_better_draw_replaces_a_contradiction(counts_adata, scripted, annotated):
    model, _ = scripted(WRONG, TRUE)
    table = describe(counts_adata, model)
    assert table["description"].to_dict() == annotated["true"].to_dict()
    assert set(table["written_by"]) == {"decoder"}


def test_contradictions_are_cut_out(counts_adata, scripted, annotated):
    model, _ = scripted(f"{TRUE} They express NOSUCH1.")
    table = describe(counts_adata, model)
    assert table["description"].to_dict() == annotated["true"].to_dict()
    assert set(table["written_by"]) == {"decoder, shortened"}


def test_evidence_speaks_where_the_decoder_fails(counts_adata, scripted, annotated):
    model, _ = scripted(WRONG)
    table = describe(counts_adata, model)
    genes = table.loc["B", "top_genes"].split(", ")
    assert table.loc["B", "description"] == (
        f"{annotated.loc['B', 'true']} They express {genes[0]}, {genes[1]} and {genes[2]}."
    )
    assert set(table["written_by"]) == {"evidence"}


def test_same_rng_same_text(counts_adata, scripted):
    more = (
        "They stand out",
        "It is a population",
        "It is a group",
        "It is one type",
        "It is a kind",
    )
    draws = [f"{TRUE} {sentence}." for sentence in more]
    model, _ = scripted(WRONG, *draws)
    table = describe(counts_adata, model, rng=1)
    assert set(table["written_by"]) == {"decoder"}
    first = table["description"]
    second = describe(counts_adata, model, rng=np.random.default_rng(1))["description"]
    assert first.tolist() == second.tolist()
    others = [describe(counts_adata, model, rng=seed)["description"].tolist() for seed in range(8)]
    assert len({tuple(texts) for texts in others}) > 1
    assert counts_adata.uns["scmm_description"]["params"]["rng"] == 7


def test_unsure_groups_are_not_described(counts_adata, tiny_model):
    scmm.tl.describe(counts_adata, "cluster", model=tiny_model, threshold=1.0)
    table = scmm.get.description_df(counts_adata)
    assert set(table["label"]) == {"unknown"}
    assert set(table["lineage"]) == {""}
    assert set(table["description"]) == {"The evidence does not single out a type of cell."}


def test_group_of_poor_cells_and_no_group(poor_adata, tiny_model):
    groups = poor_adata.obs["cluster"].astype(object)
    groups.iloc[[3, 5]] = "poor"
    groups.iloc[0] = None
    poor_adata.obs["cluster"] = groups
    scmm.tl.describe(poor_adata, "cluster", model=tiny_model)
    table = scmm.get.description_df(poor_adata).set_index("group")
    assert table.loc["poor", "description"] == "These cells express too few genes to be described."
    assert table.loc["poor", "label"] == "unknown"
    assert poor_adata.obs["scmm_description"].iloc[0] == ""


def test_cells_one_by_one(counts_adata, scripted):
    model, prompts = scripted(TRUE)
    few = counts_adata[:10].copy()
    scmm.tl.describe(few, model=model, threshold=0)
    table = scmm.get.description_df(few)
    assert table["group"].tolist() == list(few.obs_names)
    assert len(prompts) == 10


def test_too_many_cells(counts_adata, tiny_model):
    match = "There are 60 cells to describe one by one, and `max_cells` is 50. Name a column"
    with pytest.raises(ValueError, match=match):
        scmm.tl.describe(counts_adata, model=tiny_model, max_cells=50)


def test_labels_in_own_words_and_tissue(counts_adata, scripted):
    labels = {"glowing one": "They glow in the dark.", "dim one": "They do nothing."}
    model, prompts = scripted("A glowing one. They glow in the dark.", "A dim one.")
    table = describe(counts_adata, model, labels=labels, tissue="cave")
    assert set(table["label"]) <= set(labels)
    assert set(table["cl_id"]) == {""}
    assert prompts[0].endswith("Tissue: cave. Description:")
    assert set(table["written_by"]) == {"decoder"}
