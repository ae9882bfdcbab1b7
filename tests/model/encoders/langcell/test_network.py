"""All outputs are those of plain equations, one cell and one text at a time, without padding."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch.nn import functional as F

from scmmgpt_tl.model.load import load_model

TEXTS = [
    "cell type: T cell. A lymphocyte",
    "blood",
    "monocytes with the large nucleus of a blood cell: a cell with large nucleus of blood",
    "B lymphocyte of the blood.",
]


@pytest.fixture
def counts():
    """Nine cells x 300 genes of very different length, one empty, one longer than the network."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.2, 2.0, 300) * rng.gamma(0.5, 2.0, (9, 1))).astype(np.float32)
    dense[3] = 0
    dense[5] += 1
    return csr_matrix(dense)


class Equations:
    """The text tower, and what is made of both, written down from the published description."""

    def __init__(self, state, heads, cell_bert):
        self.state, self.heads, self.cell_bert = state, heads, cell_bert

    def linear(self, x, name):
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (x.var(-1, unbiased=False, keepdim=True) + 1e-12).sqrt()
        return scaled * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def attention(self, x, seen, name):
        query, key, value = (
            self.linear(source, f"{name}.self.{part}").chunk(3, -1)
            for source, part in ((x, "query"), (seen, "key"), (seen, "value"))
        )
        heads = [
            ((q @ k.T) / q.shape[-1] ** 0.5).softmax(-1) @ v
            for q, k, v in zip(query, key, value, strict=True)
        ]
        out = self.linear(torch.cat(heads, -1), f"{name}.output.dense")
        return self.norm(out + x, f"{name}.output.LayerNorm")

    def read(self, words, cell=None):
        x = self.state["embeddings.word_embeddings.weight"][words]
        x = x + self.state["embeddings.position_embeddings.weight"][: len(words)]
        x = self.norm(x, "embeddings.LayerNorm")
        for layer in ("encoder.layer.0", "encoder.layer.1"):
            x = self.attention(x, x, f"{layer}.attention")
            if cell is not None:
                x = self.attention(x, cell, f"{layer}.crossattention")
            inner = F.gelu(self.linear(x, f"{layer}.intermediate.dense"))
            out = self.linear(inner, f"{layer}.output.dense")
            x = self.norm(out + x, f"{layer}.output.LayerNorm")
        return x

    def head(self, x, name):
        return x @ self.heads[name]["weight"].T + self.heads[name]["bias"]

    def cell(self, tokens):
        with torch.no_grad():
            return self.cell_bert(torch.tensor([tokens])).last_hidden_state[0]

    def unit(self, x, name):
        found = self.head(x[0], name)
        return found / found.norm()


def cut(text, words):
    """The longest piece first, twelve in all with the two that frame a text."""
    found = []
    for word in text.lower().replace(":", " : ").replace(".", " . ").split():
        start = 0
        while start < len(word):
            choices = [
                ("##" if start else "") + word[start:stop] for stop in range(len(word), 0, -1)
            ]
            piece = next(piece for piece in choices if piece in words)
            found.append(words.index(piece))
            start += len(piece.removeprefix("##"))
    return [2, *found[:10], 3]


def ranked(folder, counts, symbols):
    """Tokens of each cell, by a loop over its genes."""
    tokens = pickle.loads((folder / "token_dictionary.pkl").read_bytes())
    medians = pickle.loads((folder / "gene_median_dictionary.pkl").read_bytes())
    found = []
    for cell in counts.toarray():
        total = sum(map(float, cell))
        pairs = [
            (-float(n) / total * 10_000 / medians[gene], tokens[gene])
            for gene, n in zip(symbols, cell, strict=True)
            if n > 0
        ]
        found.append([302, *(token for _, token in sorted(pairs))][:64])
    return found


@pytest.fixture(params=["bin", "safetensors"])
def folder(make_folder, request):
    return make_folder(form=request.param)


@pytest.fixture
def model(folder):
    return load_model(folder, device="cpu")


@pytest.fixture
def equations(text_state, heads, cell_bert):
    return Equations(text_state, heads, cell_bert)


def test_tokens_are_those_of_a_loop(model, folder, counts):
    tokens = model.tokenizer(counts)
    found = [part.tolist() for part in tokens.gene_ids.split(tokens.lengths.tolist())]
    assert found == ranked(folder, counts, model.genes.ensembl_ids)
    assert max(map(len, found)) == 64
    assert min(map(len, found)) == 1


def test_words_are_those_of_a_loop(model, pieces):
    ids, mask = model.text.words(TEXTS)
    assert [row[own].tolist() for row, own in zip(ids, mask, strict=True)] == [
        cut(text, pieces) for text in TEXTS
    ]


def test_all_outputs(model, folder, counts, equations, pieces):
    tokens = ranked(folder, counts, model.genes.ensembl_ids)
    cells = [equations.cell(own) for own in tokens]
    words = [cut(text, pieces) for text in TEXTS]
    embedded = torch.stack([equations.unit(cell, "cell_proj.bin") for cell in cells])
    texts = torch.stack([equations.unit(equations.read(own), "text_proj.bin") for own in words])
    match = torch.tensor(
        [
            [
                equations.head(equations.read(own, cell)[0], "ctm_head.bin").softmax(-1)[1]
                for own in words
            ]
            for cell in cells
        ]
    )
    found = model.asking(TEXTS).encode_cells(counts)
    close = {"rtol": 0, "atol": 1e-5}
    torch.testing.assert_close(model.encode_cells(counts).cell, embedded, **close)
    torch.testing.assert_close(torch.from_numpy(model.embed_text(TEXTS)), texts, **close)
    torch.testing.assert_close(found.cosine, embedded @ texts.T, **close)
    torch.testing.assert_close(found.match, match, **close)
    for share in (0.5, 0.1):
        expected = share * ((embedded @ texts.T) / 0.05).softmax(1) + (1 - share) * match.softmax(1)
        scores = model.with_options(share=share).zero_shot(counts, TEXTS)
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
    raw = model.with_options(pooling="cls").encode_cells(counts).cell
    torch.testing.assert_close(raw, torch.stack([cell[0] for cell in cells]), **close)


def test_texts_alone_are_those_of_transformers(model, text_state, pieces):
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(pieces) + 2,
        max_position_embeddings=12,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
    )
    reference = BertModel(config, add_pooling_layer=False).eval()
    state = {k: v for k, v in text_state.items() if "cross" not in k and "pooler" not in k}
    state["embeddings.token_type_embeddings.weight"] = torch.zeros(2, 24)
    missing, unexpected = reference.load_state_dict(state, strict=False)
    assert not missing
    assert unexpected in ([], ["embeddings.position_ids"])
    ids, mask = model.text.words(TEXTS)
    with torch.inference_mode():
        ours = model.network.texts(model.network.texts.embed(ids), mask)
        theirs = reference(ids, mask.long()).last_hidden_state
    torch.testing.assert_close(ours[mask], theirs[mask], rtol=0, atol=1e-5)


def test_neither_batches_nor_order_matter(model, counts):
    together = model.asking(TEXTS).encode_cells(counts)
    backwards = model.asking(TEXTS[::-1]).encode_cells(counts[::-1])
    for one, other in zip(together, backwards, strict=True):
        torch.testing.assert_close(one, other.flip(0, 1), rtol=0, atol=1e-5)
    alone = [model.asking([text]).encode_cells(counts[2]).match[0, 0] for text in TEXTS]
    torch.testing.assert_close(together.match[2], torch.stack(alone), rtol=0, atol=1e-5)


def test_options_that_cannot_be_meant(model):
    for options in ({"pooling": "mean"}, {"share": 1.5}):
        with pytest.raises(ValueError, match="'shared' or 'cls' and `share` from 0 to 1"):
            model.with_options(**options)


def test_labels_are_written_as_in_training(model):
    assert model.label_text("T cell", "A lymphocyte.") == "cell type: T cell. A lymphocyte."
    assert model.label_text("T cell") == "cell type: T cell."
