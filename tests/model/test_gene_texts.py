"""Gene descriptions as vectors on few axes."""

from __future__ import annotations

import numpy as np

from scmmgpt_tl.model.gene_texts import FILE, GeneTexts, read_states, shipped_gene_texts


def test_with_all_axes_it_is_the_cosine_of_centred_states(tmp_path):
    rng = np.random.default_rng(0)
    states = rng.normal(size=(6, 4)).astype(np.float32) + 3
    described = np.array([0, 2, 3, 5, 6, 7])
    texts = GeneTexts.of(states, described, n_genes=8, n_axes=4)
    asked = rng.normal(size=(2, 4)).astype(np.float32)
    centred, query = states - states.mean(0), asked - states.mean(0)
    expected = query @ centred.T
    expected /= np.outer(np.linalg.norm(query, axis=1), np.linalg.norm(centred, axis=1))
    found = texts.similarity(asked)
    np.testing.assert_allclose(found[:, described], expected, atol=1e-5)
    assert not found[:, [1, 4]].any()
    texts.write(tmp_path / "texts.safetensors", sha256="abc", source="somewhere")
    again = GeneTexts.read(tmp_path / "texts.safetensors")
    assert again.sha256 == "abc"
    # Eight bits a number.
    np.testing.assert_allclose(again.similarity(asked), found, atol=0.02)


def test_states_do_not_depend_on_company(tiny_model):
    texts = ["a b", "antigen presentation by cells", "c"]
    together = read_states(tiny_model, texts, batch_size=2)
    alone = np.concatenate([read_states(tiny_model, [text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    short = read_states(tiny_model, texts[1:2], limit=4)
    assert not np.allclose(short, together[1])


def test_what_ships_fits_the_model_and_is_small(default_model):
    texts = shipped_gene_texts()
    assert texts.sha256 == default_model.sha256
    assert texts.genes.shape[0] == len(default_model.genes)
    assert FILE.stat().st_size < 800_000
