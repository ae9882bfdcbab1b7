from __future__ import annotations

import pytest

from scmmgpt_tl.model.padding import pad_ids, pad_texts

TEXTS = ["a cell", "an immature b cell", ""]


@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
def test_texts_stand_where_the_mask_says(tiny_model, left):
    ids, mask = pad_texts(tiny_model.text_tokenizer, TEXTS, pad=9, left=left)
    alone = [tiny_model.text_tokenizer.encode(text).ids for text in TEXTS]
    assert ids.shape == mask.shape == (3, max(map(len, alone)))
    for row, kept, expected in zip(ids, mask.bool(), alone, strict=True):
        assert row[kept].tolist() == expected
        assert set(row[~kept].tolist()) <= {9}
    edge = mask[:, -1] if left else mask[:, 0]
    assert edge.all()


def test_a_cut_text_keeps_its_end(tiny_model):
    whole = tiny_model.text_tokenizer.encode(TEXTS[1]).ids
    ids, mask = pad_texts(tiny_model.text_tokenizer, [TEXTS[1]], limit=6)
    assert ids[0].tolist() == [*whole[:5], whole[-1]]
    assert mask.all()


def test_a_limit_that_is_not_reached_changes_nothing(tiny_model):
    free = pad_texts(tiny_model.text_tokenizer, TEXTS)
    for part, limited in zip(
        free, pad_texts(tiny_model.text_tokenizer, TEXTS, limit=99), strict=True
    ):
        assert part.equal(limited)


def test_no_texts():
    ids, mask = pad_ids([])
    assert ids.shape == mask.shape == (0, 0)
