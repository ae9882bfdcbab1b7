from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from scmmgpt_tl.model.config import BridgeConfig, EncoderConfig, ModelConfig


def test_goes_through_json():
    config = ModelConfig(encoder=EncoderConfig(n_genes=7), bridge=BridgeConfig(n_queries=5))
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_parts_left_out_are_the_defaults():
    config = ModelConfig.from_dict({"encoder": {"n_genes": 3}})
    assert config == ModelConfig(encoder=EncoderConfig(n_genes=3))


def test_unknown_part_is_named():
    with pytest.raises(ValueError, match=r"unknown parts \['diffusion'\]"):
        ModelConfig.from_dict({"diffusion": {}})


@pytest.mark.parametrize("found", [None, "llama", [1]])
def test_a_part_without_keys_is_refused(found):
    with pytest.raises(ValueError, match=r"`architecture\['decoder'\]` .* must hold keys, found"):
        ModelConfig.from_dict({"decoder": found})


def test_unknown_key_is_named_with_its_part():
    with pytest.raises(ValueError, match=r"`architecture\['bridge'\]` .* keys \['depth'\]"):
        ModelConfig.from_dict({"bridge": {"depth": 3}})


def test_is_frozen():
    with pytest.raises(FrozenInstanceError):
        ModelConfig().encoder.width = 3


def test_can_be_a_key():
    config = ModelConfig()
    assert {config: 1}[replace(config)] == 1
