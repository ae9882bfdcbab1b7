"""Every output is that of the published equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.encoders.scbert.classify import classify
from scmmgpt_tl.model.load import load_model
from scmmgpt_tl.model.tokens import GeneTokens

LABELS = ["B cell", "NK cell", "T cell", "monocyte"]


@pytest.fixture
def counts():
    """Four cells x 300 genes of different depth, one without counts."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.3, 1.0, 300) * [[0.1], [1], [0], [9]]
    return csr_matrix(rng.poisson(rate).astype(np.float32))


@pytest.fixture
def tuned(make_folder):
    return load_model(make_folder(tuned=True), device="cpu")


def states_of(reference, tokens):
    return torch.stack([reference.encode(c.long()) for c in tokens.values.reshape(-1, 301)])


@pytest.mark.parametrize("bias", [False, True])
def test_states_and_bins(make_folder, reference, counts, bias):
    model = load_model(make_folder(bias=bias), device="cpu")
    tokens = model.tokenizer(counts)
    theirs = reference(bias=bias)
    expected = states_of(theirs, tokens)
    with torch.inference_mode():
        states, mask = model.network(tokens)
        bins = model.network.predict_masked(states)
    assert mask.all()
    torch.testing.assert_close(states, expected.float(), rtol=0, atol=1e-5)
    torch.testing.assert_close(bins, theirs.masked(expected).float(), rtol=0, atol=1e-5)
    mean, last = (
        model.with_options(pooling=name).encode_tokens(tokens) for name in ("mean", "last")
    )
    torch.testing.assert_close(mean, expected.mean(1).float(), rtol=0, atol=1e-5)
    torch.testing.assert_close(last, expected[:, -1].float(), rtol=0, atol=1e-5)


def test_classes(tuned, reference, counts):
    tokens = tuned.tokenizer(counts)
    theirs = reference(tuned=True)
    logits = torch.stack([theirs.logits(cell) for cell in states_of(theirs, tokens)])
    expected = logits.softmax(-1).float()
    found = classify(tuned, tokens, labels=LABELS, threshold=0)
    torch.testing.assert_close(found.probabilities, expected, rtol=0, atol=1e-5)
    assert found.labels == [LABELS[i] for i in expected.argmax(1)]


def test_cells_below_the_threshold_are_unassigned(tuned, counts):
    tokens = tuned.tokenizer(counts)
    certain = classify(tuned, tokens, labels=LABELS, threshold=0)
    highest = certain.probabilities.amax(1)
    between = float(highest.sort().values[1:3].mean())
    found = classify(tuned, tokens, labels=LABELS, threshold=between).labels
    expected = [
        name if sure else "Unassigned"
        for name, sure in zip(certain.labels, highest >= between, strict=True)
    ]
    assert found == expected
    assert found.count("Unassigned") == 2


def test_classes_that_cannot_be_told(make_folder, tuned, counts, tmp_path):
    tokens = tuned.tokenizer(counts)
    with pytest.raises(ValueError, match="`labels` must name 4 classes, found 2"):
        classify(tuned, tokens, labels=LABELS[:2])
    with pytest.raises(ValueError, match="`threshold` must be a probability, found 50"):
        classify(tuned, tokens, labels=LABELS, threshold=50)
    (tmp_path / "scbert").rename(tmp_path / "other")
    pretrained = load_model(make_folder(), device="cpu")
    with pytest.raises(ValueError, match="was pre-trained only and has no classifier"):
        classify(pretrained, tokens, labels=LABELS)
    with pytest.raises(ValueError, match="was fine-tuned and has no head for masked genes"):
        tuned.network.predict_masked(torch.zeros(1, 301, 12))


def test_a_cell_is_embedded_as_if_alone(tuned, counts):
    together = tuned.encode_cells(counts).cell
    alone = torch.cat([tuned.encode_cells(counts[i]).cell for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    # All cells in one pass, as on a device with more room.
    with torch.inference_mode():
        tokens = tuned.tokenizer(counts)
        states, mask = tuned.network(tokens)
        torch.testing.assert_close(
            tuned.network.pool(states, mask, tokens), alone, rtol=0, atol=1e-5
        )


def test_options_and_tokens_that_cannot_be_meant(make_folder):
    model = load_model(make_folder(), device="cpu")
    with pytest.raises(ValueError, match="`pooling` must be 'mean', 'last' or 'logits'"):
        model.with_options(pooling="max")
    short = GeneTokens(torch.arange(5), torch.zeros(5), torch.tensor([0, 5]))
    with pytest.raises(ValueError, match="must have all 301 places"):
        model.encode_tokens(short)
