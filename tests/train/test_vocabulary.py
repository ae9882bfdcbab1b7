from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from scmmgpt_tl.train.vocabulary import trim_tokenizer

SENTENCES = [
    "T cells express CD3D, CD3E and TRAC, and kill what they do not know.",
    "A hepatocyte is a cell of the liver that makes bile and albumin.",
    "Monocytes of the blood become macrophages; macrophages swallow what they find.",
]
KEPT = ["T cells express CD3D", " of the blood"]
SPECIAL = ["<|im_start|>", "<|im_end|>"]


@pytest.fixture(scope="module")
def full():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES * 5, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def trimmed(full):
    return trim_tokenizer(full, KEPT)


def test_is_smaller_and_numbers_its_words_from_zero(full, trimmed):
    tokenizer, kept = trimmed
    assert tokenizer.get_vocab_size() == len(kept) < full.get_vocab_size()
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(kept)))
    assert kept == sorted(set(kept))


def test_each_new_id_is_the_old_ones_word(full, trimmed):
    tokenizer, kept = trimmed
    for new, old in enumerate(kept):
        assert tokenizer.id_to_token(new) == full.id_to_token(old)


@pytest.mark.parametrize("text", KEPT)
def test_kept_text_is_cut_as_before(full, trimmed, text):
    tokenizer, kept = trimmed
    assert [kept[i] for i in tokenizer.encode(text).ids] == full.encode(text).ids
    assert max(map(len, tokenizer.encode(text).tokens)) > 3  # whole words, not letters


@pytest.mark.parametrize("token", SPECIAL)
def test_special_tokens_stay(full, trimmed, token):
    tokenizer, kept = trimmed
    new = tokenizer.token_to_id(token)
    assert kept[new] == full.token_to_id(token)
    assert tokenizer.encode(f"a{token}b").tokens == ["a", token, "b"]
    assert tokenizer.decode([new], skip_special_tokens=True) == ""


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_can_still_be_written(trimmed, text):
    tokenizer, _ = trimmed
    ids = tokenizer.encode(text).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_trimming_twice_changes_nothing(trimmed):
    tokenizer, kept = trimmed
    again, all_of_them = trim_tokenizer(tokenizer, KEPT)
    assert all_of_them == list(range(len(kept)))
    assert again.get_vocab() == tokenizer.get_vocab()


def test_the_full_tokenizer_is_left_alone(full):
    before = full.to_str()
    trim_tokenizer(full, KEPT)
    assert full.to_str() == before
