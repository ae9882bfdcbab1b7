from __future__ import annotations

import json

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from scmmgpt_tl.model.bert import Bert, bert_state, read_sizes
from scmmgpt_tl.model.checkpoint import join_attention
from scmmgpt_tl.model.state import load_strict


@pytest.fixture(params=["relu", "gelu"])
def theirs(request):
    config = BertConfig(
        vocab_size=30,
        max_position_embeddings=12,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        hidden_act=request.param,
        initializer_range=0.5,
    )
    torch.manual_seed(0)
    return BertForMaskedLM(config).eval()


@torch.no_grad()
def test_states_are_those_of_transformers(theirs, tmp_path):
    theirs.save_pretrained(tmp_path)
    ours = Bert(read_sizes(tmp_path / "config.json", title="it")).eval()
    load_strict(ours, bert_state(theirs.state_dict()))
    ids = torch.randint(1, 30, (3, 12))
    mask = torch.arange(12) < torch.tensor([[12], [5], [1]])
    expected = theirs.bert(ids, mask.long()).last_hidden_state
    torch.testing.assert_close(ours.encode(ids, mask)[mask], expected[mask], rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="has 13 tokens; the network ranks 12"):
        ours.encode(torch.ones(1, 13, dtype=torch.int64), torch.ones(1, 13, dtype=torch.bool))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"model_type": "gpt2"}, "is of a 'gpt2'; X is a 'bert'"),
        ({"hidden_size": True}, "must give hidden_size as positive whole numbers"),
        ({"hidden_act": "silu"}, "hidden_act 'silu'"),
        ({"position_embedding_type": "relative_key"}, "X's are 'absolute'"),
    ],
)
def test_configs_of_other_networks_are_refused(theirs, tmp_path, change, match):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(theirs.config.to_dict() | change))
    with pytest.raises(ValueError, match=match):
        read_sizes(path, title="X")


def test_attention_must_be_whole():
    with pytest.raises(ValueError, match=r"has 0\.query\.bias, but lacks 0\.key\.bias, 0\.value"):
        join_attention({"0.query.bias": torch.zeros(2)})
