"""Families that cannot write from vectors are refused before anything is learned."""

from __future__ import annotations

import json

import pytest
from transformers import AutoConfig

from scmmgpt_tl.model.config import DecoderConfig
from scmmgpt_tl.train.rehearsal import rehearse

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 90,
}


def config_of(family, **sizes):
    config = AutoConfig.for_model(family, **SMALL | sizes)
    return DecoderConfig(json.loads(config.to_json_string(use_diff=False)), 2)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "gpt2", "opt", "bloom"])
def test_families_that_write(tiny_language_model, family):
    config = tiny_language_model(family).config
    rehearse(DecoderConfig(json.loads(config.to_json_string(use_diff=False)), 2))


@pytest.mark.parametrize("family", ["ctrl", "cpmant", "openai-gpt", "rwkv", "trocr"])
def test_families_that_do_not(family):
    with pytest.raises(ValueError, match=rf"`language_model` is a '{family}', which cannot write"):
        rehearse(config_of(family))
