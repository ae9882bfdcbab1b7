"""Attention by random features: what the paper says, and softmax attention in the limit."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from scmmgpt_tl.model.checkpoint import join_attention, rename
from scmmgpt_tl.model.performer import RULES, Performer, PerformerSizes, favor, sizes_of
from scmmgpt_tl.model.state import load_strict


@pytest.fixture
def parts():
    """Queries, keys and values of 2 cells, 3 heads, 11 places, 8 wide."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 2, 3, 11, 8, generator=generator).unbind(0)


def orthogonal(n, width, *, seed=0):
    """Random directions that are orthogonal in blocks, as long as Gaussian ones."""
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(math.ceil(n / width), width, width, generator=generator).double()
    blocks, upper = torch.linalg.qr(random)
    # Without this, directions are not uniform on the sphere, and their mean is another kernel.
    blocks = blocks * upper.diagonal(dim1=-2, dim2=-1).sign()[:, None]
    lengths = torch.randn(n, width, generator=generator, dtype=torch.float64).norm(dim=1)
    return (blocks.mT.flatten(0, 1)[:n] * lengths[:, None]).float()


def by_hand(query, key, value, directions):
    """The equations of the paper for one cell and one head after the other, in float64."""
    out = torch.empty_like(value, dtype=torch.float64)
    d, m = query.shape[-1], len(directions)
    directions = directions.double()
    for cell in range(len(query)):
        projected = key[cell].double() @ directions.T / d**0.25
        largest_key = projected.max()
        for head in range(query.shape[1]):
            q, k, v = (part[cell, head].double() for part in (query, key, value))

            def phi(x, largest):
                x = x / d**0.25
                return (torch.exp(directions @ x - x @ x / 2 - largest) + 1e-4) / math.sqrt(m)

            keys = [phi(x, largest_key) for x in k]
            for i, x in enumerate(q):
                asked = phi(x, (directions @ x / d**0.25).max())
                kernel = torch.stack([asked @ other for other in keys])
                out[cell, head, i] = kernel @ v / kernel.sum()
    return out


def test_features_are_those_of_the_paper(parts):
    directions = orthogonal(20, 8)
    torch.testing.assert_close(
        favor(*parts, directions).double(), by_hand(*parts, directions), rtol=0, atol=1e-6
    )


def test_it_becomes_softmax_attention_as_features_grow(parts):
    # Features of long vectors vary too much for a mean over few to be near.
    parts = [part / 2 for part in parts]
    exact = F.scaled_dot_product_attention(*parts)
    errors = []
    for n in (64, 1024, 16_384):
        found = torch.stack(
            [favor(*parts, orthogonal(n, 8, seed=seed), eps=0) for seed in range(4)]
        )
        errors.append(float((found - exact).square().mean().sqrt()))
    # The error of a mean falls with the root of the number, give or take chance: in all by 16.
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < min(errors[0] / 6, 0.004)


def test_a_cell_sees_itself_alone(parts):
    directions = orthogonal(20, 8)
    alone = favor(*(part[:1] for part in parts), directions)
    # Keys a thousand times as long must not move the neighbour.
    query, key, value = (part.clone() for part in parts)
    key[1] *= 1000
    assert torch.equal(favor(query, key, value, directions)[:1], alone)


def test_reduced_precision_is_left_to_the_linear_maps(parts):
    directions = orthogonal(20, 8)
    exact = favor(*parts, directions)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(favor(*parts, directions), exact)


SIZES = PerformerSizes(
    width=12, n_layers=2, n_heads=3, head_width=5, n_directions=9, inner=20, bias=True
)


def test_sizes_are_read_off_the_tensors():
    assert sizes_of(Performer(SIZES).state_dict(), source="it") == SIZES


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: s.pop("layers.0.directions"), r"it lacks layers\.0\.directions of a Performer"),
        (lambda s: s.update({"layers.0.directions": torch.zeros(9, 4)}), "are no heads of 4"),
    ],
)
def test_tensors_without_sizes_are_refused(change, match):
    state = dict(Performer(SIZES).state_dict())
    change(state)
    with pytest.raises(ValueError, match=match):
        sizes_of(state, source="it")


@pytest.mark.filterwarnings("ignore")
def test_states_are_those_of_the_reference_package():
    package = pytest.importorskip("performer_pytorch", exc_type=ImportError)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # Later versions of the package take the largest key of each head: with one head, the same.
        theirs = package.Performer(dim=12, depth=2, heads=1, dim_head=8, nb_features=16).eval()
        for part in theirs.parameters():
            torch.nn.init.normal_(part, std=0.3)
        hidden = torch.randn(1, 30, 12)
    published = {
        f"performer.{key}": part
        for key, part in theirs.state_dict().items()
        if key.startswith("net.")
    }
    state = join_attention(rename(published, RULES))
    ours = Performer(sizes_of(state, source="it")).eval()
    load_strict(ours, state)
    with torch.inference_mode():
        torch.testing.assert_close(ours(hidden), theirs(hidden), rtol=0, atol=1e-5)
