from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.scmmgpt import CellStates

TEXTS = ["T cell", "a B cell of the blood", "monocyte: swallows what it finds", "nk"]


@pytest.fixture(scope="module")
def rows(tiny_model) -> csr_matrix:
    rng = np.random.default_rng(0)
    return csr_matrix(rng.poisson(0.4, (12, len(tiny_model.genes))).astype(np.float32))


def largest(first: CellStates, second: CellStates) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(first, second, strict=True))


def test_shapes_and_unit_rows(tiny_model, rows):
    states = tiny_model.encode_cells(rows)
    bridge = tiny_model.config.bridge
    assert states.queries.shape == (12, bridge.n_queries, bridge.hidden)
    assert states.projected.shape == (12, bridge.n_queries, bridge.projection)
    assert states.cell.shape == (12, bridge.projection)
    np.testing.assert_allclose(states.projected.norm(dim=-1), 1, atol=1e-5)
    np.testing.assert_allclose(states.cell.norm(dim=-1), 1, atol=1e-5)


@pytest.mark.parametrize("size", [1, 5, 12])
def test_batches_do_not_matter(tiny_model, rows, size):
    whole = tiny_model.encode_cells(rows)
    parts = [tiny_model.encode_cells(rows[i : i + size]) for i in range(0, 12, size)]
    assert largest(CellStates(*map(torch.cat, zip(*parts, strict=True))), whole) < 1e-5


def test_order_of_cells_does_not_matter(tiny_model, rows):
    order = np.random.default_rng(1).permutation(12)
    whole = tiny_model.encode_cells(rows)
    shuffled = tiny_model.encode_cells(rows[order])
    assert largest(shuffled, CellStates(*(part[order] for part in whole))) < 1e-5


def test_dense_values_give_the_same_cells(tiny_model, rows):
    from scmmgpt_tl.train.rates import log_normalise

    network = tiny_model.network
    with torch.inference_mode():
        values = torch.from_numpy(log_normalise(rows.toarray()))
        states = network.cell_encoder.forward_dense(values, torch.ones(values.shape))
        dense = network.read_states(*states)
    assert largest(dense, tiny_model.encode_cells(rows)) < 1e-5


def test_texts_do_not_depend_on_each_other(tiny_model):
    together = tiny_model.embed_text(TEXTS)
    alone = np.concatenate([tiny_model.embed_text([text]) for text in TEXTS])
    turned = tiny_model.embed_text(TEXTS[::-1])[::-1]
    by_two = tiny_model.embed_text(TEXTS, batch_size=2)
    assert together.shape == (4, tiny_model.config.bridge.projection)
    assert together.dtype == np.float32
    for other in (alone, turned, by_two):
        assert np.abs(together - other).max() < 1e-5
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_no_texts(tiny_model):
    assert tiny_model.embed_text([]).shape == (0, tiny_model.config.bridge.projection)


def test_a_text_longer_than_the_bridge_reads_is_cut(tiny_model):
    vectors = tiny_model.embed_text(["cell " * 200, "cell " * 300])
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-5


def test_similarity_is_the_cosine_of_the_best_query(tiny_model, rows):
    projected = tiny_model.encode_cells(rows).projected
    text = tiny_model.embed_text(TEXTS)
    found = tiny_model.similarity(projected, text).numpy()
    for cell, queries in enumerate(projected.numpy()):
        for j, vector in enumerate(text):
            assert found[cell, j] == pytest.approx(max(q @ vector for q in queries), abs=1e-5)


def test_match_is_a_probability_of_each_pair(tiny_model, rows):
    together = tiny_model.match(rows[:4], TEXTS)
    alone = [tiny_model.match(rows[i], [TEXTS[i]])[0] for i in range(4)]
    assert together.shape == (4,)
    assert ((together > 0) & (together < 1)).all()
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_expression_sums_to_one_and_needs_no_cell(tiny_model):
    shares = tiny_model.generate_expression(TEXTS)
    assert shares.shape == (4, len(tiny_model.genes))
    assert (shares > 0).all()
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    alone = np.concatenate([tiny_model.generate_expression([text]) for text in TEXTS])
    np.testing.assert_allclose(shares, alone, atol=1e-6)


def describe(model, rows, seed, **options):
    queries = model.encode_cells(rows).queries.numpy()
    prompts = [f"Cell type: {text}. Description:" for text in TEXTS]
    rng = np.random.default_rng(seed)
    return model.describe(queries, prompts, rng=rng, max_new_tokens=8, **options)


def test_descriptions_follow_the_generator(tiny_model, rows):
    options = {"n_candidates": 3, "temperature": 2.0}
    first, again, other = (describe(tiny_model, rows[:4], seed, **options) for seed in (0, 0, 1))
    assert [len(texts) for texts in first] == [3] * 4
    assert first == again
    assert first != other
    # The first candidate is the likeliest text, whatever the seed.
    assert [texts[0] for texts in first] == [texts[0] for texts in other]


def test_the_generator_moves_on(tiny_model, rows):
    queries = tiny_model.encode_cells(rows[:1]).queries.numpy()
    rng = np.random.default_rng(0)
    texts = [
        tiny_model.describe(queries, ["x"], rng=rng, n_candidates=2, temperature=3.0)[0][1]
        for _ in range(2)
    ]
    assert texts[0] != texts[1]


def test_repr_is_one_line(tiny_model):
    shown = repr(tiny_model)
    assert shown.startswith("Model(name='tiny', revision='r1', sha256='")
    assert len(shown) < 300


def test_is_equal_to_itself_only_and_can_be_a_key(tiny_model):
    from dataclasses import replace

    assert tiny_model == tiny_model  # noqa: PLR0124
    assert replace(tiny_model) != tiny_model
    assert {tiny_model: 1}[tiny_model] == 1
