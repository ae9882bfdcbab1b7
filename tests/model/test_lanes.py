from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from scmmgpt_tl.model.lanes import count_lanes, encode_ahead
from scmmgpt_tl.model.runner import map_cells

N_GENES = 5


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Encoder:
    """Says which batch it read and by how many of torch's threads; two batches must meet."""

    device, core_a_batch = torch.device("cpu"), True

    def __init__(self, *, meet: int = 1) -> None:
        self.meeting = threading.Barrier(meet, timeout=20)

    def encode_cells(self, rows, measured):
        self.meeting.wait()
        if rows[0, 0] < 0:
            msg = "negative"
            raise ValueError(msg)
        return SimpleNamespace(
            first=rows[0, 0],
            measured=measured,
            threads=torch.get_num_threads(),
            inference=torch.is_inference_mode_enabled(),
        )


def batches(*first: float) -> list[csr_matrix]:
    return [csr_matrix(np.full((1, N_GENES), value, dtype=np.float32)) for value in first]


def lane_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("scmm-lane")]


def test_batches_are_encoded_at_once_and_arrive_in_order(two_threads):
    # Each waits until another one is being encoded.
    ahead = encode_ahead(Encoder(meet=2), batches(1, 2, 3, 4), "panel", n_lanes=2)
    order, states = zip(*((rows[0, 0], ask()) for rows, ask in ahead), strict=True)
    assert order == tuple(s.first for s in states) == (1, 2, 3, 4)
    assert {s.threads for s in states} == {1}
    assert {s.measured for s in states} == {"panel"}
    assert all(s.inference for s in states)
    assert torch.get_num_threads() == 2
    assert not lane_threads()


def test_one_lane_keeps_all_threads_and_waits_until_asked(two_threads):
    model = Encoder(meet=2)
    _, ask = next(encode_ahead(model, batches(1), None, n_lanes=1))
    assert model.meeting.n_waiting == 0
    model.meeting = threading.Barrier(1)
    assert ask().threads == 2


def test_an_error_arrives_with_its_batch(two_threads):
    ahead = encode_ahead(Encoder(), batches(1, -1, 2), None, n_lanes=2)
    assert next(ahead)[1]().first == 1
    with pytest.raises(ValueError, match="negative"):
        next(ahead)[1]()
    ahead.close()
    assert torch.get_num_threads() == 2
    assert not lane_threads()


@pytest.mark.parametrize(
    ("device", "core_a_batch", "expected"), [("cpu", True, 2), ("cpu", False, 1), ("cuda", True, 1)]
)
def test_small_networks_on_cpus_have_a_lane_a_core(two_threads, device, core_a_batch, expected):
    model = SimpleNamespace(device=torch.device(device), core_a_batch=core_a_batch)
    assert count_lanes(model) == expected


def test_lanes_are_bounded(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert count_lanes(Encoder()) == 8


def test_answers_are_the_same_on_one_lane_and_on_two(tiny_model, two_threads):
    rng = np.random.default_rng(0)
    rows = csr_matrix(rng.poisson(0.3, (50, len(tiny_model.genes))).astype(np.float32))

    def kernel(states, _):
        return {"cell": states.cell}

    def run() -> np.ndarray:
        return map_cells(tiny_model, [rows], kernel, n_obs=50, batch_size=7)[0]["cell"]

    two = run()
    torch.set_num_threads(1)
    np.testing.assert_allclose(run(), two, atol=1e-6)
