from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from scmmgpt_tl.model.config import DecoderConfig
from scmmgpt_tl.model.padding import pad_ids
from scmmgpt_tl.model.text_decoder import TextDecoder

LLAMA = {
    "model_type": "llama",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 40,
}
CONFIG = DecoderConfig(LLAMA, eos=2)
PROMPTS = [[5, 6, 7, 8, 9, 10], [11], [12, 13, 14]]


@pytest.fixture(scope="module")
def decoder():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        decoder = TextDecoder(CONFIG, query_width=12).eval()
        for parameter in decoder.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    return decoder.requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def queries():
    return torch.randn(3, 4, 12, generator=torch.Generator().manual_seed(2))


def write(decoder, queries, prompts, *, temperature=0.0, seed=0, length=12):
    ids, mask = pad_ids(prompts, pad=CONFIG.eos, left=True)
    words = decoder.generate(
        queries,
        ids,
        mask,
        max_new_tokens=length,
        temperature=temperature,
        generator=torch.Generator().manual_seed(seed),
    )
    return [until_end(row) for row in words.tolist()]


def until_end(row):
    return row[: row.index(CONFIG.eos)] if CONFIG.eos in row else row


def by_hand(decoder, queries, prompt):
    """The vectors of one unpadded row: bracket, queries, bracket, words."""
    table = decoder.language_model.get_input_embeddings().weight
    first, _, last = decoder.projection
    inner = last(F.gelu(first(queries)))
    return torch.cat([decoder.brackets[:1], inner, decoder.brackets[1:], table[prompt]])


def test_inputs_are_padding_cell_words(decoder, queries):
    ids, mask = pad_ids(PROMPTS, pad=CONFIG.eos, left=True)
    vectors, full = decoder.inputs(queries, ids, mask)
    assert vectors.shape == (3, 6 + 4 + 2, 32)
    for i, prompt in enumerate(PROMPTS):
        expected = by_hand(decoder, queries[i], prompt)
        padding = 12 - len(expected)
        assert full[i].tolist() == [0] * padding + [1] * len(expected)
        assert (vectors[i, padding:] - expected).abs().max() < 1e-6


def test_padding_changes_no_continuation(decoder, queries):
    together = write(decoder, queries, PROMPTS)
    alone = [write(decoder, queries[i : i + 1], [PROMPTS[i]])[0] for i in range(3)]
    assert together == alone
    assert len({tuple(row) for row in together}) == 3


def test_greedy_is_what_transformers_generates(decoder, queries):
    for i, prompt in enumerate(PROMPTS):
        vectors = by_hand(decoder, queries[i], prompt)[None]
        expected = decoder.language_model.generate(
            inputs_embeds=vectors,
            attention_mask=torch.ones(vectors.shape[:2], dtype=torch.int64),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=CONFIG.eos,
            pad_token_id=CONFIG.eos,
        )
        assert write(decoder, queries[i : i + 1], [prompt])[0] == until_end(expected[0].tolist())


def test_greedy_takes_the_likeliest_word_each_time(decoder, queries):
    # Without a cache, every word from scratch.
    prompt = list(PROMPTS[2])
    for word in write(decoder, queries[2:], [PROMPTS[2]], length=5)[0]:
        vectors = by_hand(decoder, queries[2], prompt)[None]
        assert decoder.language_model(inputs_embeds=vectors).logits[0, -1].argmax() == word
        prompt.append(word)


def test_a_seed_decides_what_is_drawn(decoder, queries):
    first, again, other = (
        write(decoder, queries, PROMPTS, temperature=2.0, seed=seed) for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_drawing_leaves_torchs_own_generator_alone(decoder, queries):
    before = torch.get_rng_state()
    write(decoder, queries, PROMPTS, temperature=2.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_follows_the_end(decoder, queries):
    ids, mask = pad_ids(PROMPTS, pad=CONFIG.eos, left=True)
    words = decoder.generate(
        queries,
        ids,
        mask,
        max_new_tokens=200,
        temperature=3.0,
        generator=torch.Generator().manual_seed(0),
    )
    assert words.shape[1] < 200  # all have ended
    for row in words.tolist():
        end = row.index(CONFIG.eos)
        assert set(row[end:]) == {CONFIG.eos}


def test_another_cell_is_described_otherwise(decoder, queries):
    same = [PROMPTS[0]] * 3
    assert len({tuple(row) for row in write(decoder, queries, same)}) > 1


def test_loss_is_the_cross_entropy_of_the_marked_words(decoder, queries):
    texts = [[20, 21, 2], [22, 2], [23, 24, 25, 2]]
    rows = [prompt + text for prompt, text in zip(PROMPTS, texts, strict=True)]
    ids, mask = pad_ids(rows, pad=CONFIG.eos, left=True)
    target = torch.zeros_like(ids)
    for i, text in enumerate(texts):
        target[i, -len(text) :] = 1
    losses = []
    for i, row in enumerate(rows):
        logits = decoder.language_model(
            inputs_embeds=by_hand(decoder, queries[i], row)[None]
        ).logits[0]
        before = 4 + 2 + len(PROMPTS[i]) - 1
        for step, word in enumerate(texts[i]):
            losses.append(-logits[before + step].log_softmax(-1)[word])
    expected = torch.stack(losses).mean()
    assert (decoder(queries, ids, mask, target) - expected).abs() < 1e-5
