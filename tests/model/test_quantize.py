from __future__ import annotations

import numpy as np
import pytest
import torch

from scmmgpt_tl.model.quantize import dequantize, quantize, relative_errors


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(40, 64, generator=generator) * torch.logspace(-4, 2, 40)[:, None]
    matrix[3] = 0
    return {
        "matrix": matrix,
        "small": torch.randn(3, 4, generator=generator),
        "cube": torch.randn(2, 30, 50, generator=generator),
        "bias": torch.randn(5000, generator=generator),
        "count": torch.tensor(7),
        "number": torch.tensor(0.1234567),
    }


def test_kinds_on_disk(state):
    small = quantize(state, min_size=1000)
    kinds = {key: str(tensor.dtype).removeprefix("torch.") for key, tensor in small.items()}
    assert kinds == {
        "matrix": "int8",
        "matrix::scale": "float32",
        "small": "bfloat16",
        "cube": "bfloat16",
        "bias": "float32",
        "count": "int64",
        "number": "float32",
    }
    assert small["matrix::scale"].shape == (40,)


def test_what_comes_back_has_the_keys_shapes_and_float32(state):
    back = dequantize(quantize(state, min_size=1000))
    assert back.keys() == state.keys()
    assert all(back[key].shape == state[key].shape for key in state)
    assert {t.dtype for key, t in back.items() if key != "count"} == {torch.float32}
    assert back["count"] == 7


def test_error_is_at_most_half_a_step_of_the_row(state):
    back = dequantize(quantize(state, min_size=1000))["matrix"].numpy().astype(float)
    before = state["matrix"].numpy().astype(float)
    step = np.abs(before).max(axis=1, keepdims=True) / 127
    assert (np.abs(back - before) <= step / 2 * (1 + 1e-4)).all()
    assert (back[3] == 0).all()


def test_bfloat16_keeps_eight_bits_and_vectors_stay_exact(state):
    back = dequantize(quantize(state, min_size=1000))
    before = state["cube"].numpy()
    assert (np.abs(back["cube"].numpy() - before) <= np.abs(before) * 2**-8).all()
    assert torch.equal(back["bias"], state["bias"])
    assert torch.equal(back["number"], state["number"])


def test_relative_errors_are_norm_ratios_and_small(state):
    back = dequantize(quantize(state, min_size=1000))
    errors = relative_errors(state, back)
    assert set(errors) == set(state) - {"count"}
    before, after = state["cube"].numpy().astype(float), back["cube"].numpy().astype(float)
    expected = np.linalg.norm((after - before).ravel()) / np.linalg.norm(before.ravel())
    assert errors["cube"] == pytest.approx(expected)
    assert errors["bias"] == 0
    assert errors["matrix"] < 0.02


def test_size_shrinks_to_a_quarter():
    weight = {"w": torch.randn(512, 512, generator=torch.Generator().manual_seed(0))}
    n_bytes = sum(t.nbytes for t in quantize(weight).values())
    assert n_bytes < weight["w"].nbytes * 0.26


def test_the_input_is_left_alone(state):
    before = {key: tensor.clone() for key, tensor in state.items()}
    quantize(state, min_size=1)
    assert all(torch.equal(before[key], state[key]) for key in state)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_and_inf_are_refused(value):
    with pytest.raises(ValueError, match="'w' holds NaN or infinite values"):
        quantize({"w": torch.tensor([[value]])})


def test_quantising_twice_is_refused(state):
    with pytest.raises(ValueError, match="has been quantised already"):
        quantize(quantize(state, min_size=1000))


def test_scales_without_tensor_are_refused():
    with pytest.raises(ValueError, match="its int8 tensor is missing"):
        dequantize({"w::scale": torch.ones(2)})


def test_scales_of_another_length_are_refused():
    broken = {"w": torch.ones(3, 2, dtype=torch.int8), "w::scale": torch.ones(2)}
    with pytest.raises(ValueError, match=r"shape \(3, 2\) needs one scale a row"):
        dequantize(broken)
