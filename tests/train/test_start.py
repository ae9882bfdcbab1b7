"""Start of the text decoder; that of the bridge is tested where its parity with BERT is."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from scmmgpt_tl.model.config import DecoderConfig
from scmmgpt_tl.model.text_decoder import TextDecoder
from scmmgpt_tl.train.start import start_decoder

SIZES = {"hidden": 16, "n_heads": 4, "n_kv_heads": 2, "intermediate": 24}


def llama(n_layers: int) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=24,
        max_position_embeddings=64,
        rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config).eval().requires_grad_(requires_grad=False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def weights(model: LlamaForCausalLM) -> dict[str, torch.Tensor]:
    return {k: v for k, v in model.state_dict().items() if k != "lm_head.weight"}


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_all_layers_and_words_give_the_same_llama():
    source = llama(3)
    decoder = TextDecoder(DecoderConfig(**SIZES, n_layers=3, vocabulary=30), query_width=8).eval()
    start_decoder(decoder, weights(source), layers=range(3), kept=range(30))
    ids = torch.randint(0, 30, (2, 7))
    with torch.inference_mode():
        assert (decoder.llama(ids).logits - source(ids).logits).abs().max() < 1e-5


def test_chosen_layers_and_words():
    source, kept = llama(4), [0, 1, 2, 9, 17, 29]
    decoder = TextDecoder(DecoderConfig(**SIZES, n_layers=2, vocabulary=6), query_width=8).eval()
    start_decoder(decoder, weights(source), layers=(1, 3), kept=kept)
    source.model.layers = torch.nn.ModuleList([source.model.layers[1], source.model.layers[3]])
    source.model.layers[0].self_attn.layer_idx = 0
    source.model.layers[1].self_attn.layer_idx = 1
    source.config.num_hidden_layers = 2
    ids = torch.randint(0, 6, (2, 7))
    with torch.inference_mode():
        expected = source(torch.tensor(kept)[ids]).logits[..., kept]
        assert (decoder.llama(ids).logits - expected).abs().max() < 1e-5


def test_words_are_read_and_written_through_one_table():
    decoder = TextDecoder(DecoderConfig(**SIZES, n_layers=1, vocabulary=5), query_width=8)
    start_decoder(decoder, weights(llama(1)), layers=[0], kept=range(5))
    assert decoder.llama.lm_head.weight is decoder.llama.model.embed_tokens.weight


def test_too_few_layers_are_an_error():
    decoder = TextDecoder(DecoderConfig(**SIZES, n_layers=3, vocabulary=30), query_width=8)
    with pytest.raises(RuntimeError, match=r"Missing key.*layers.2"):
        start_decoder(decoder, weights(llama(2)), layers=(0, 1), kept=range(30))
