from __future__ import annotations

import numpy as np

from scmmgpt_tl.train.batches import draw_batch
from scmmgpt_tl.train.stage2 import describe_cells, examples
from scmmgpt_tl.train.written import Written


def test_examples_are_prompt_description_end(tiny_model):
    tokenizer, eos = tiny_model.decoder_tokenizer, 2
    written = [Written("Say it:", "A cell."), Written("A longer prompt:", "No.")]
    ids, mask, target = examples(tokenizer, written, eos=eos)
    assert ids.shape == mask.shape == target.shape
    for row, kept, marked, (prompt, text) in zip(ids, mask, target, written, strict=True):
        assert tokenizer.decode(row[kept.bool()].tolist()) == f"{prompt} {text}"
        assert row[-1] == eos
        described = row[marked.bool()].tolist()
        assert tokenizer.decode(described) == f" {text}"
        assert described[-1] == eos
        assert not (marked.bool() & ~kept.bool()).any()


def test_cells_are_described_by_their_own_markers_and_tissue(material):
    rng = np.random.default_rng(0)
    batch = draw_batch(material.source, 80, parts=1, seed=(0,))
    written = describe_cells(batch.term, batch.profile, material, rng)
    assert len(written) == 80
    told = 0
    for t, p, w in zip(batch.term, batch.profile, written, strict=True):
        others = set(material.genes.symbols) - set(material.captioner.markers(material.types[t]))
        genes = w.prompt.partition("Top genes: ")[2].partition(".")[0].split(", ")
        assert not others & set(genes)
        if p < 0:
            assert "They come from" not in w.text
        told += "They come from" in w.text
    assert told
