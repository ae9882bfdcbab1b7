from __future__ import annotations

import pytest
from tokenizers import BertWordPieceTokenizer

from scmmgpt_tl.model.words import Words, read_words

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "t", "cell", "##s", "cafe"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY))
    return tmp_path


def test_case_and_accents_do_not_matter(folder):
    words = Words(read_words([folder], n_tokens=9), folder)
    ids, mask = words(["T cells", "Café"])
    assert ids.tolist() == [[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]]
    assert mask.tolist() == [[True] * 5, [True] * 3 + [False] * 2]


@pytest.mark.parametrize(("framed", "expected"), [(True, [2, 5, 3]), (False, [5, 6, 7])])
def test_long_texts_lose_their_end_but_not_what_closes_them(folder, framed, expected):
    words = Words(read_words([folder], n_tokens=9), folder, limit=3, framed=framed)
    assert words(["T cells cells"])[0].tolist() == [expected]


def test_both_forms_of_a_vocabulary_read_alike(folder, tmp_path):
    other = tmp_path / "json"
    other.mkdir()
    tokenizer = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
    # What a file says of padding and cutting is not ours.
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=50)
    tokenizer.save(str(other / "tokenizer.json"))
    first, second = (Words(read_words([path], n_tokens=9), path) for path in (folder, other))
    assert first(["T cells"])[0].tolist() == second(["T cells"])[0].tolist()


def test_the_first_folder_that_has_one_is_read(folder, tmp_path):
    assert read_words([tmp_path / "none"], n_tokens=9) is None
    assert read_words([tmp_path / "none", folder], n_tokens=9) is not None
