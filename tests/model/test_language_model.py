"""A text decoder of any family writes what its language model would, whoever else is in the batch."""

from __future__ import annotations

import json

import pytest
import torch
from torch.nn import functional as F

from scmmgpt_tl.model.config import DecoderConfig, EncoderConfig, ModelConfig
from scmmgpt_tl.model.language_model import build_language_model, read_config
from scmmgpt_tl.model.padding import pad_ids
from scmmgpt_tl.model.state import load_strict
from scmmgpt_tl.model.text_decoder import TextDecoder

FAMILIES = ["llama", "qwen2", "qwen3", "gpt2", "opt", "bloom"]
PROMPTS = [[5, 6, 7, 8, 9, 10], [11], [12, 13, 14]]
EOS = 2


@pytest.fixture(scope="module", params=FAMILIES)
def reference(request, tiny_language_model):
    """The language model of transformers."""
    return tiny_language_model(request.param)


@pytest.fixture
def decoder(reference):
    """A text decoder built from the config, filled with the weights by name."""
    config = DecoderConfig(json.loads(reference.config.to_json_string()), EOS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        decoder = TextDecoder(config, query_width=12).eval()
    load_strict(decoder.language_model, reference.state_dict())
    return decoder.requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def queries():
    return torch.randn(3, 4, 12, generator=torch.Generator().manual_seed(2))


def by_hand(decoder, queries, prompt):
    """The vectors of one unpadded row: bracket, queries, bracket, words."""
    table = decoder.language_model.get_input_embeddings().weight
    first, _, last = decoder.projection
    inner = last(F.gelu(first(queries)))
    return torch.cat([decoder.brackets[:1], inner, decoder.brackets[1:], table[prompt]])


def write(decoder, queries, prompts, *, length=8):
    ids, mask = pad_ids(prompts, pad=EOS, left=True)
    words = decoder.generate(
        queries, ids, mask, max_new_tokens=length, temperature=0.0, generator=None
    )
    return [row[: row.index(EOS)] if EOS in row else row for row in words.tolist()]


def test_each_word_is_the_likeliest_of_the_reference(reference, decoder, queries):
    # Word by word from scratch: no cache, no padding, no neighbours.
    told = write(decoder, queries, PROMPTS)
    assert len({tuple(row) for row in told}) > 1
    for i, words in enumerate(told):
        row = list(PROMPTS[i])
        for word in words:
            vectors = by_hand(decoder, queries[i], row)[None]
            assert reference(inputs_embeds=vectors).logits[0, -1].argmax() == word
            row.append(word)


def test_loss_is_that_of_the_references_logits(reference, decoder, queries):
    texts = [[20, 21, EOS], [22, EOS], [23, 24, 25, EOS]]
    rows = [prompt + text for prompt, text in zip(PROMPTS, texts, strict=True)]
    ids, mask = pad_ids(rows, pad=EOS, left=True)
    _, target = pad_ids(texts, left=True)
    target = F.pad(target, (ids.shape[1] - target.shape[1], 0))
    losses = []
    for i, row in enumerate(rows):
        logits = reference(inputs_embeds=by_hand(decoder, queries[i], row)[None]).logits[0]
        before = 4 + 2 + len(PROMPTS[i]) - 1
        for step, word in enumerate(texts[i]):
            losses.append(-logits[before + step].log_softmax(-1)[word])
    found = decoder(queries, ids, mask, target)
    assert (found - torch.stack(losses).mean()).abs() < 1e-5


def test_neighbours_change_no_text(decoder, queries):
    alone = [write(decoder, queries[i : i + 1], [PROMPTS[i]])[0] for i in range(3)]
    assert write(decoder, queries, PROMPTS) == alone


@pytest.mark.parametrize("family", ["gpt2", "opt"])
def test_learned_places_have_an_end(tiny_language_model, queries, family):
    places = "n_positions" if family == "gpt2" else "max_position_embeddings"
    model = tiny_language_model(family, **{places: 14})
    config = DecoderConfig(model.config.to_dict(), EOS)
    decoder = TextDecoder(config, query_width=12, language_model=model).eval()
    assert len(write(decoder, queries, PROMPTS, length=50)[0]) <= 2
    with pytest.raises(ValueError, match=r"are 15 together; the language model reads 14"):
        write(decoder, queries, [[5] * 9] * 3)
    # Enough to learn from, but not to go on from.
    with pytest.raises(ValueError, match=r"are 14 together, .* no word can follow"):
        write(decoder, queries, [[5] * 8] * 3)


def test_the_config_is_a_part_of_the_bundles(reference):
    decoder = DecoderConfig(json.loads(reference.config.to_json_string()), EOS)
    config = ModelConfig(encoder=EncoderConfig(n_genes=7), decoder=decoder)
    again = ModelConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    state = build_language_model(again.decoder).state_dict()
    assert {k: v.shape for k, v in state.items()} == {
        k: v.shape for k, v in reference.state_dict().items()
    }


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"model_type": "gpt2", "auto_map": {"AutoModelForCausalLM": "m.X"}}, r"code .*auto_map"),
        ({"model_type": "gpt2", "a": [{"_attn_implementation": "x/y"}]}, r"code .*_attn_impl"),
        ({"model_type": "gpt2", "attn_implementation": {"": "x/y"}}, r"code .*attn_impl"),
        ({"model_type": "gpt2", "_experts_implementation": "x/y"}, r"code .*_experts_impl"),
        ({"model_type": "gpt2", "quantization_config": {"bits": 4}}, r"quantised already"),
        ({"model_type": "bert"}, r"'bert', which is no language model"),
        ({"model_type": "t5"}, r"'t5', which is no language model"),
        ({"model_type": "of_tomorrow"}, r"'of_tomorrow', which is no language model"),
        ({}, r"'None', which is no language model"),
        ({"model_type": "llama", "hidden_size": "wide"}, r"it is not the config of a 'llama'"),
    ],
)
def test_other_configs_are_refused(raw, message):
    with pytest.raises(ValueError, match=message):
        read_config(raw, source="it")


@pytest.mark.parametrize(
    "choice",
    [
        {"_attn_implementation_autoset": True},
        {"attn_implementation": "sdpa"},
        {"_attn_implementation": "flash_attention_2"},
        {"attn_implementation": None},
        {"attn_implementation": {"": "eager"}},
    ],
)
def test_ways_that_transformers_has_by_itself_are_no_code(tiny_language_model, choice):
    raw = tiny_language_model("llama").config.to_dict() | choice
    model = build_language_model(DecoderConfig(raw, EOS))
    # Not what the config says: that may not be there.
    assert model.config._attn_implementation == "sdpa"


def test_weights_are_float32_whatever_the_config_says(tiny_language_model):
    raw = tiny_language_model("llama").config.to_dict() | {"dtype": "bfloat16"}
    model = build_language_model(DecoderConfig(raw, EOS))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
