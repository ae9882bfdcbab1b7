from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from scmmgpt_tl._keys import (
    AnnotationKeys,
    DescriptionKeys,
    EmbeddingKeys,
    GeneSetKeys,
    RankKeys,
    SearchKeys,
)

ALL = [AnnotationKeys, DescriptionKeys, EmbeddingKeys, GeneSetKeys, RankKeys, SearchKeys]


def test_annotation_keys():
    keys = AnnotationKeys()
    assert [keys.label, keys.score, keys.margin, keys.cl, keys.reason, keys.scores, keys.uns] == [
        "scmm_cell_type",
        "scmm_cell_type_score",
        "scmm_cell_type_margin",
        "scmm_cell_type_cl",
        "scmm_cell_type_reason",
        "scmm_cell_type_scores",
        "scmm_cell_type",
    ]


def test_other_keys():
    assert (EmbeddingKeys().obsm, EmbeddingKeys().uns) == ("X_scmm", "X_scmm")
    assert (DescriptionKeys().obs, DescriptionKeys().uns) == ("scmm_description",) * 2
    assert (SearchKeys().obs, SearchKeys().uns) == ("scmm_search", "scmm_search")
    assert (GeneSetKeys().obsm, GeneSetKeys().uns) == ("scmm_gene_sets", "scmm_gene_sets")
    assert RankKeys().uns == "scmm_rank_terms"


def test_keys_of_two_runs_do_not_meet():
    first, second = AnnotationKeys("a"), AnnotationKeys("b")
    names = ["label", "score", "margin", "cl", "reason", "coverage", "scores"]
    assert not {getattr(first, n) for n in names} & {getattr(second, n) for n in names}


@pytest.mark.parametrize("keys", ALL)
@pytest.mark.parametrize("key", ["", "CD4+/CD8+", None, 1], ids=repr)
def test_unusable_keys_are_refused(keys, key):
    with pytest.raises(ValueError, match="`key_added` must be a non-empty string without '/'"):
        keys(key)


def test_keys_are_frozen():
    with pytest.raises(FrozenInstanceError):
        AnnotationKeys().key = "x"
