from __future__ import annotations

import pytest

from scmmgpt_tl.train.stage1_rates import RATES, rate_of


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("genes.weight", "genes"),
        ("panel.weight", "panel"),
        ("blocks.0.weight", "new"),
        ("published.transformer.layers.0.weight", "pretrained"),
        ("qformer.encoder.layer.0.attention.attention.query.weight", "pretrained"),
        ("words.word_embeddings.weight", "pretrained"),
        ("qformer.encoder.layer.0.crossattention.attention.key.weight", "new"),
        ("qformer.encoder.layer.0.intermediate_query.dense.weight", "new"),
        ("queries", "new"),
    ],
)
def test_what_was_learned_before_learns_slowly(name, rate):
    assert rate_of(name) == rate
    assert RATES["pretrained"] < RATES["new"] < RATES["genes"]
