"""All outputs are those of the Q-Former of transformers, one cell and one text at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch.nn import functional as F

from scmmgpt_tl.model.load import load_model

TEXTS = [
    "This cell belongs to T cell: a large lymphocyte of blood.",
    "monocytes",
    "This cell belongs to B cell: a cell of the blood, large, a large large large monocytes of blood",
]
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture
def counts():
    """Eight cells x 300 genes of very different length, one of them empty."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.2, 2.0, 300) * rng.gamma(0.5, 2.0, (8, 1))).astype(np.float32)
    dense[3] = 0
    dense[6] += 1
    return csr_matrix(dense)


@pytest.fixture
def states(scgpt_folder, counts):
    """What scGPT says of each cell by itself, from its own folder; that is tested elsewhere."""
    model = load_model(scgpt_folder, device="cpu")
    model = model.with_options(values="counts", longer="top", max_length=2048)
    with torch.inference_mode():
        return [model.network(model.tokenizer(cell))[0] for cell in counts]


def cut(text, words):
    """The longest piece first; nothing stands around a text, and 16 pieces are read."""
    found = []
    for word in text.lower().replace(":", " : ").replace(".", " . ").replace(",", " , ").split():
        start, own = 0, []
        while start < len(word):
            choices = [
                ("##" if start else "") + word[start:stop] for stop in range(len(word), 0, -1)
            ]
            piece = next((piece for piece in choices if piece in words), None)
            if piece is None:
                own = [1]
                break
            own.append(words.index(piece))
            start += len(piece.removeprefix("##"))
        found += own
    return found[:16]


@torch.no_grad()
def queries_of(parts, states):
    return parts.qformer(
        query_embeds=parts.queries, query_length=3, encoder_hidden_states=parts.norm(states)
    ).last_hidden_state[0]


@torch.no_grad()
def text_of(parts, ids):
    embedded = parts.words(torch.tensor([ids]))
    found = parts.qformer(query_embeds=embedded, query_length=0).last_hidden_state[0, 0]
    return F.normalize(parts.text_proj(found), dim=-1)


@torch.no_grad()
def match_of(parts, states, ids):
    embedded = parts.words(torch.tensor([ids]), query_embeds=parts.queries)
    found = parts.qformer(
        query_embeds=embedded,
        query_length=3,
        attention_mask=torch.ones(1, 3 + len(ids)),
        encoder_hidden_states=parts.norm(states),
    ).last_hidden_state[0, :3]
    return parts.gtm_head(found).mean(0).softmax(-1)[1]


def test_words_are_those_of_a_loop(make_folder, vocabulary):
    ids, mask = load_model(make_folder(), device="cpu").text.words(TEXTS)
    assert [row[own].tolist() for row, own in zip(ids, mask, strict=True)] == [
        cut(text, vocabulary) for text in TEXTS
    ]


@torch.no_grad()
def test_all_outputs_of_stage_1(make_folder, parts, states, counts, vocabulary):
    model = load_model(make_folder(), device="cpu")
    words = [cut(text, vocabulary) for text in TEXTS]
    texts = torch.stack([text_of(parts, ids) for ids in words])
    queries = [queries_of(parts, cell) for cell in states]
    projected = torch.stack([F.normalize(parts.cell_proj(own), dim=-1) for own in queries])
    cosine = torch.einsum("cqp,tp->ctq", projected, texts).max(-1).values
    match = torch.stack([
        torch.stack([match_of(parts, cell, ids) for ids in words]) for cell in states
    ])  # fmt: skip
    found = model.asking(TEXTS).encode_cells(counts)
    torch.testing.assert_close(torch.from_numpy(model.embed_text(TEXTS)), texts, **CLOSE)
    torch.testing.assert_close(found.cosine, cosine, **CLOSE)
    torch.testing.assert_close(found.match, match, **CLOSE)
    for share in (0.5, 0.2):
        scores = model.with_options(share=share).zero_shot(counts, TEXTS)
        expected = share * cosine / 0.1 + (1 - share) * match
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
    mean = F.normalize(projected.mean(1), dim=-1)
    expected = {"shared": mean, "queries": torch.stack([own.mean(0) for own in queries])}
    expected["cls"] = torch.cat([cell[:, 0] for cell in states])
    for pooling, vectors in expected.items():
        own = model.with_options(pooling=pooling).encode_cells(counts).cell
        torch.testing.assert_close(own, vectors, **CLOSE)


@torch.no_grad()
def test_all_outputs_of_stage_2(make_folder, parts, states, counts):
    model = load_model(make_folder(2), device="cpu")
    queries = torch.stack([queries_of(parts, cell) for cell in states])
    torch.testing.assert_close(model.encode_cells(counts).cell, queries.mean(1), **CLOSE)
    tokens = model.tokenizer(counts)
    memory = model.network.remember(*model.network(tokens))
    expected = parts.llm_proj["fc2"](parts.llm_proj["fc1"](queries).relu())
    torch.testing.assert_close(model.network.llm_tokens(memory), expected, **CLOSE)
    assert not hasattr(model, "zero_shot")
    with pytest.raises(ValueError, match="stage 2 has no space of cells and texts"):
        model.with_options(pooling="shared")


def test_cells_are_read_as_published(make_folder, counts):
    """Raw counts, `<cls>` with the value -2 first, of long cells the highest counts."""
    tokenizer = load_model(make_folder(), device="cpu").with_options(max_length=21).tokenizer
    tokens = tokenizer(counts)
    for cell, row in enumerate(counts.toarray()):
        own = slice(int(tokens.offsets[cell]), int(tokens.offsets[cell + 1]))
        ids, values = tokens.gene_ids[own].tolist(), tokens.values[own].tolist()
        assert (ids[0], values[0]) == (tokenizer.cls, -2.0)
        told = {int(tokenizer.token_ids[gene]): float(n) for gene, n in enumerate(row) if n > 0}
        assert all(told[i] == value for i, value in zip(ids[1:], values[1:], strict=True))
        assert sorted(values[1:]) == sorted(told.values())[-20:]


def test_neither_batches_nor_order_matter(make_folder, counts):
    model = load_model(make_folder(), device="cpu")
    together = model.asking(TEXTS).encode_cells(counts)
    backwards = model.asking(TEXTS[::-1]).encode_cells(counts[::-1])
    for one, other in zip(together, backwards, strict=True):
        torch.testing.assert_close(one, other.flip(0, 1), **CLOSE)
    alone = [model.asking([text]).encode_cells(counts[2]).match[0, 0] for text in TEXTS]
    torch.testing.assert_close(together.match[2], torch.stack(alone), **CLOSE)
    vectors = torch.cat([model.encode_cells(cell).cell for cell in counts])
    torch.testing.assert_close(model.encode_cells(counts).cell, vectors, **CLOSE)
